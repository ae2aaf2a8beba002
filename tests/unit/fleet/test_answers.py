"""What hosts answer, and what that means to a rollout."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit.fleet.answers import ended, found, is_silent, looked_again, settled, undone, working
from toolkit.hosts import Host
from toolkit.reaching import Failure, Kind
from toolkit.remote import Outcome
from toolkit.rollout_events import Ended, Found, Loss, Undone

HOST = Host("web1", "10.0.0.1")
OLD, NEW = {"version": "1.0.0"}, {"version": "1.1.0"}


def said(**more: Any) -> Outcome:
    usual = {"ok": True, "code": 0, "changed": False, "before": OLD, "after": OLD}
    return Outcome(HOST, {**usual, **more}, seconds=1.26)


def failed(kind: Kind) -> Outcome:
    return Outcome(HOST, failure=Failure(kind, "no\nroute", "look"), seconds=2)


def status(**more: Any) -> Outcome:
    return Outcome(HOST, {"ok": True, "code": 0, "data": {"version": "1.1.0", **more}}, seconds=1)


def test_a_first_look() -> None:
    assert found(said()) == Found("web1", "holds", "1.0.0", "1.0.0")
    assert found(said(changed=True, after=NEW)) == Found("web1", "ready", "1.0.0", "1.1.0")
    fresh = said(changed=True, before=None, after=NEW)
    assert found(fresh) == Found("web1", "fresh", None, "1.1.0")
    lost = Found("web1", "lost", loss=Loss("unreachable", "no"))
    assert found(failed(Kind.UNREACHABLE)) == lost
    refused = said(ok=False, code=32, message="1.1.0 failed on this host before")
    loss = Loss("failed_before", "1.1.0 failed on this host before", ran=True)
    assert found(refused) == Found("web1", "lost", loss=loss)


def test_the_end_of_a_visit() -> None:
    good = said(changed=True, after=NEW)
    assert ended(good, "1.1.0") == Ended("web1", "1.0.0", "1.1.0", True, None, 1.3)
    moved = ended(good, "1.0.5").loss
    assert moved == Loss("other_version", "1.1.0 runs, and 1.0.5 was to", ran=True)
    reverted = ended(said(ok=False, code=31, message="it was taken back"), "1.1.0")
    assert reverted.loss == Loss("reverted", "it was taken back", ran=True)
    assert ended(said(ok=False, code=22, message="full"), None).loss == Loss("disk_full", "full")
    assert ended(said(ok=False, code=99), None).loss == Loss("failed", "it did not say why")
    assert undone(said(after=OLD)) == Undone("web1", "1.0.0", None, 1.3)


@pytest.mark.parametrize(
    ("outcome", "silent"),
    [
        (failed(Kind.CUT), True),
        (failed(Kind.TIMEOUT), True),
        (failed(Kind.HOST_KEY), False),
        (failed(Kind.UNREACHABLE), False),
        (said(ok=False, code=12), True),
        (said(ok=False, code=31), False),
    ],
)
def test_who_is_asked_again(outcome: Outcome, silent: bool) -> None:
    assert is_silent(outcome) == silent


def test_how_a_silent_host_stands() -> None:
    assert working(failed(Kind.UNREACHABLE)) is None
    assert working(status(trial={"version": "1.1.0"})) is True
    assert working(status(busy=True)) is True
    assert working(status()) is False
    good = settled(status(healthy=True), "1.1.0", "1.0.0")
    assert (good.after, good.changed, good.loss) == ("1.1.0", True, None)
    gone = settled(failed(Kind.UNREACHABLE), "1.1.0", "1.0.0").loss
    assert gone == Loss("silent", "silent since it was begun: no", ran=True)
    last = {"what": "reverted", "version": "1.1.0", "reason": "it ended"}
    back = settled(status(version="1.0.0", last_attempt=last), "1.1.0", "1.0.0").loss
    assert back == Loss("reverted", "it ended", ran=True)
    early = settled(status(version="1.0.0"), "1.1.0", "1.0.0").loss
    assert early == Loss("cut", "it was cut off before 1.1.0 was tried; 1.0.0 runs")
    ill = settled(status(healthy=False, fault="it hangs"), "1.1.0", "1.0.0").loss
    assert ill == Loss("unhealthy", "it hangs", ran=True)


def test_a_look_at_the_end_of_a_wave() -> None:
    assert looked_again(status(healthy=True), "1.1.0") == Found("web1", "holds", "1.1.0", "1.1.0")
    kinds = [
        (failed(Kind.UNREACHABLE), "unreachable"),
        (status(healthy=False, fault="x"), "unhealthy"),
        (status(healthy=True, version="1.0.0"), "other_version"),
        (Outcome(HOST, {"ok": False, "code": 4, "message": "nothing is installed"}), "gone"),
    ]
    for outcome, kind in kinds:
        loss = looked_again(outcome, "1.1.0").loss
        assert loss is not None
        assert (loss.kind, loss.ran) == (kind, True)
