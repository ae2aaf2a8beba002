"""A crew before a door whose hosts are slow, busy, silent or gone for a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.support.fleet_model import NEW, OLD
from toolkit.fleet.crew import Crew, Patience
from toolkit.hosts import Host
from toolkit.remote import Failure, Kind, Outcome
from toolkit.rollout_events import Ended, Event, Found, Loss, Plan
from toolkit.rollout_state import State, begin

QUICK = Patience(look=1, visit=1, margin=0.3, poll=0.01)
READY = {"ok": True, "code": 0, "changed": True, "before": {"version": OLD}}
READY |= {"after": {"version": NEW}}
BUSY = {**READY, "ok": False, "code": 12, "changed": False, "message": "another agentctl works"}
WELL = {"ok": True, "code": 0, "data": {"version": NEW, "healthy": True}}
OTHER = {"ok": True, "code": 0, "data": {"version": OLD, "healthy": True}}
ILL = {"ok": True, "code": 0, "data": {"version": NEW, "healthy": False, "fault": "it ended"}}
ON_TRIAL = {"ok": True, "code": 0, "data": {"version": OLD, "trial": {"version": "9"}}}


class Scripted:
    """Says what a test tells it to, one thing for each question; `asked` is what it was asked."""

    together = False

    def __init__(self, **said: Sequence[Any]) -> None:
        self.said = {what: list(each) for what, each in said.items()}
        self.asked: list[str] = []
        self.closed = False

    def _say(self, what: str, hosts: Sequence[str]) -> Iterator[Outcome]:
        for name in hosts:
            self.asked.append(what)
            said = self.said[what].pop(0)
            host = Host(name, "10.0.0.1")
            if isinstance(said, Kind):
                yield Outcome(host, failure=Failure(said, "no route", "look"))
            else:
                yield Outcome(host, said, seconds=1)

    def check(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        return self._say("check", hosts)

    def status(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        return self._say("status", hosts)

    def glance(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        return self._say("glance", hosts)

    def visit(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        return self._say("visit", hosts)

    def undo(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        return self._say("undo", hosts)

    def close(self) -> None:
        self.closed = True


STATE = replace(begin(Plan((("a",),))), targets={"a": NEW})


def told(do: str, door: Scripted, state: State = STATE) -> Event:
    events: list[Event] = []
    getattr(Crew(door, QUICK), do)(["a"], state, events.append)
    (event,) = events
    return event


def test_who_is_not_reached_at_once_is_tried_again() -> None:
    door = Scripted(check=[Kind.UNREACHABLE, READY])
    assert told("look", door) == Found("a", "ready", OLD, NEW)
    door = Scripted(check=[Kind.UNREACHABLE, Kind.UNREACHABLE])
    assert told("look", door) == Found("a", "lost", loss=Loss("unreachable", "no route"))
    door = Scripted(visit=[Kind.UNREACHABLE, READY])
    assert told("visit", door) == Ended("a", OLD, NEW, True, None, 1)


def test_who_is_refused_is_not_tried_again() -> None:
    door = Scripted(check=[Kind.HOST_KEY])
    assert told("look", door) == Found("a", "lost", loss=Loss("host_key", "no route"))


def test_no_silence_before_a_visit_speaks_against_the_version() -> None:
    found = told("look", Scripted(check=[Kind.TIMEOUT]))
    assert found == Found("a", "lost", loss=Loss("timeout", "no route", ran=False))


def test_who_is_at_work_for_another_is_waited_for_and_then_visited() -> None:
    door = Scripted(visit=[BUSY, READY], status=[ON_TRIAL, ON_TRIAL, OTHER])
    assert told("visit", door) == Ended("a", OLD, NEW, True, None, 1)
    assert door.asked == ["visit", "status", "status", "status", "visit"]


def test_who_is_at_work_for_ever_is_not_visited_again() -> None:
    door = Scripted(visit=[BUSY], status=[ON_TRIAL] * 1000)
    ended = told("visit", door)
    assert isinstance(ended, Ended)
    assert ended.loss is not None
    assert door.asked.count("visit") == 1


def test_a_connection_that_breaks_is_no_reason_to_visit_again() -> None:
    door = Scripted(visit=[Kind.CUT], status=[Kind.UNREACHABLE, ON_TRIAL, WELL])
    ended = told("visit", door)
    assert isinstance(ended, Ended)
    assert (ended.after, ended.loss) == (NEW, None)
    assert door.asked == ["visit", "status", "status", "status"]


def test_who_holds_it_is_asked_in_the_cheapest_way() -> None:
    door = Scripted(glance=[WELL])
    assert told("look_again", door) == Found("a", "holds", NEW, NEW)
    assert door.asked == ["glance"]
    door = Scripted(glance=[ILL], status=[ILL, WELL])
    assert told("look_again", door) == Found("a", "holds", NEW, NEW)
    door = Scripted(glance=[ILL], status=[ILL, ILL])
    lost = told("look_again", door)
    assert isinstance(lost, Found)
    assert lost.loss == Loss("unhealthy", "it held and is not healthy any more: it ended", ran=True)
