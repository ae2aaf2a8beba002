"""The steps that each state of a host asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.host.plan import Facts, plan

AS_IT_SHOULD_BE = Facts(
    version="1",
    manager="systemd",
    interrupted=False,
    settings_differ=False,
    configured=True,
    running=True,
)


def test_nothing_is_done_where_nothing_is_to_do() -> None:
    assert plan("1", "systemd", AS_IT_SHOULD_BE) == ("health",)


@pytest.mark.parametrize(
    ("facts", "steps"),
    [
        (
            Facts(
                None, None, interrupted=True, settings_differ=True, configured=False, running=False
            ),
            ("settings", "switch", "configure", "start", "health"),
        ),
        (replace(AS_IT_SHOULD_BE, version="0"), ("switch", "configure", "start", "health")),
        (replace(AS_IT_SHOULD_BE, manager="pm2"), ("leave", "configure", "start", "health")),
        (replace(AS_IT_SHOULD_BE, interrupted=True), ("configure", "start", "health")),
        (replace(AS_IT_SHOULD_BE, settings_differ=True), ("settings", "start", "health")),
        (replace(AS_IT_SHOULD_BE, configured=False), ("configure", "start", "health")),
        (replace(AS_IT_SHOULD_BE, running=False), ("start", "health")),
    ],
)
def test_steps(facts: Facts, steps: tuple[str, ...]) -> None:
    assert plan("1", "systemd", facts) == steps


@given(
    st.builds(
        Facts,
        version=st.sampled_from([None, "1", "0"]),
        manager=st.sampled_from([None, "systemd", "pm2"]),
        interrupted=st.booleans(),
        settings_differ=st.booleans(),
        configured=st.booleans(),
        running=st.booleans(),
    )
)
def test_whatever_changes_is_started_anew_and_looked_at(facts: Facts) -> None:
    steps = plan("1", "systemd", facts)
    assert steps[-1] == "health"
    changing = steps[:-1]
    assert not changing or changing[-1] == "start"
