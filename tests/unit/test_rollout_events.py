"""Events go into JSON and come back the same."""

from __future__ import annotations

import json

import pytest

from toolkit.rollout_events import (
    Begun,
    Ended,
    Event,
    Finished,
    Found,
    Loss,
    Plan,
    Planned,
    Resumed,
    Stopped,
    Undone,
    from_json,
    to_json,
)

EVENTS: list[Event] = [
    Planned(
        "tiny-1", "tiny", "upgrade", "1.1.0", Plan((("a",), ("b", "c")), 1, 2, 5, True), {"i": [1]}
    ),
    Found("a", "ready", "1.0.0"),
    Found("b", "lost", loss=Loss("unreachable", "no route")),
    Begun("a"),
    Ended("a", "1.0.0", "1.1.0", True, None, 1.5),
    Ended("b", loss=Loss("reverted", "it ended", ran=True)),
    Stopped("over", revert=True),
    Undone("a", "1.0.0"),
    Resumed(),
    Finished(),
]


@pytest.mark.parametrize("event", EVENTS)
def test_there_and_back(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_what_a_newer_toolkit_wrote() -> None:
    assert from_json({"event": "Teleported", "host": "a"}) is None
    assert from_json({"event": "Begun", "host": "a", "mood": "fine"}) == Begun("a")


@pytest.mark.parametrize("data", [{"event": "Begun"}, {"event": "Ended", "host": "a", "loss": 3}])
def test_what_lacks_a_fact(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no Loss|lacks a fact"):
        from_json(data)
