"""A rollout that is driven on an imagined fleet, from a plan to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from tests.support.fleet_model import NEW, OLD, Fleet, planned
from toolkit.cli.fleet.view import Lines, View
from toolkit.errors import LedgerError
from toolkit.fleet.account import account, as_json
from toolkit.fleet.crew import Tell
from toolkit.fleet.driver import Driver, look_only
from toolkit.ledger import Entry
from toolkit.rollout import Start, decide
from toolkit.rollout_events import Begun, Event, Finished, Interrupted, Plan, Stopped
from toolkit.rollout_state import State, fold

HOSTS = ("a", "b", "c", "d")
AT = "2026-11-21T05:00:00+00:00"


class Imagined:
    """Works on an imagined fleet; while `hold` is not set, visits do not end."""

    def __init__(self, fleet: Fleet, *, together: bool = False) -> None:
        self.fleet = fleet
        self.together = together
        self.hold = threading.Event()
        self.hold.set()
        self.visits: list[Sequence[str]] = []

    def look(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        for host in hosts:
            tell(self.fleet.look(host))

    look_again = look

    def visit(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        self.visits.append(hosts)
        self.hold.wait(20)
        for host in hosts:
            tell(self.fleet.visit(host))

    def undo(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        for host in hosts:
            tell(self.fleet.undo(host, state))


class Memory:
    """A ledger that is gone with the test; it has room for so many `lines`."""

    def __init__(self, lines: int = 10_000) -> None:
        self.entries: list[Entry] = []
        self.lines = lines

    def append(self, event: Event) -> Entry:
        if len(self.entries) >= self.lines:
            raise LedgerError("the ledger can't be written", why="no space")
        self.entries.append(Entry(AT, event))
        return self.entries[-1]

    @property
    def events(self) -> list[Event]:
        return [entry.event for entry in self.entries]


Watch = Callable[[Entry, State], None]


def driver(crew: Imagined, plan: Plan, log: Memory, watch: Watch = lambda _, __: None) -> Driver:
    log.append(planned(plan))
    return Driver(log, crew, watch, fold(log.events))


def test_to_the_end_and_what_is_told_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    log, view, lines = Memory(), View("upgrade tiny"), Lines(err=False)

    def watch(entry: Entry, state: State) -> None:
        lines(entry, state)
        view(entry, state)
        assert view.draw().renderables

    crew = Imagined(Fleet(dict.fromkeys(HOSTS, "good") | {"c": "full", "d": "down"}))
    state = driver(crew, Plan((("a",), HOSTS[1:]), 1, 2), log, watch).run()
    assert state.finished
    said = capsys.readouterr().out
    assert "d: lost: unreachable: no route" in said
    assert "c: lost: failed: the disk is full" in said
    assert "a: 1.0.0 -> 1.1.0, holds (0 s)" in said
    assert "wave 1 of 2 has ended: 1 hosts hold it" in said
    told = as_json(account(log.entries))
    assert [row["what"] for row in told["hosts"]] == ["holds", "holds", "lost", "lost"]
    assert (told["outcome"], told["lost"]) == ("finished", 2)


def test_all_go_back_over_budget() -> None:
    log = Memory()
    crew = Imagined(Fleet(dict.fromkeys(HOSTS, "good") | {"d": "bad"}))
    state = driver(crew, Plan((("a",), ("b", "c"), ("d",)), 1, 0, revert=True), log).run()
    assert state.undone == {"a": None, "b": None, "c": None}
    assert crew.fleet.version == dict.fromkeys(HOSTS, OLD)
    told = account(log.entries)
    assert (told.outcome, told.count("went back"), told.count("lost")) == ("stopped", 3, 1)


def test_an_interruption_waits_for_who_is_in_flight() -> None:
    log, crew = Memory(), Imagined(Fleet(dict.fromkeys(HOSTS, "good")))
    driven = driver(crew, Plan((("a",), HOSTS[1:]), 1, 4), log)
    crew.hold.clear()

    def interrupt() -> None:
        while not crew.visits:
            time.sleep(0.01)
        driven.interrupt()
        driven.interrupt()
        crew.hold.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    state = driven.run()
    thread.join()
    assert state.holds == {"a"}
    assert not state.in_flight
    assert log.events.count(Interrupted()) == 1
    assert isinstance(log.events[-1], Stopped)


def test_what_ends_together_is_begun_together() -> None:
    crew = Imagined(Fleet(dict.fromkeys(HOSTS, "good")), together=True)
    log = Memory()
    assert driver(crew, Plan((HOSTS,), 0, 4), log).run().finished
    assert sorted(host for hosts in crew.visits for host in hosts) == list(HOSTS)


def test_a_full_disk_begins_nothing_that_is_not_noted() -> None:
    crew, log = Imagined(Fleet(dict.fromkeys(HOSTS, "fresh"))), Memory(lines=8)
    with pytest.raises(LedgerError):
        driver(crew, Plan((HOSTS,), 0, 4), log).run()
    noted = {event.host for event in log.events if isinstance(event, Begun)}
    assert len(noted) == 2
    assert {host for hosts in crew.visits for host in hosts} <= noted


def test_a_fault_of_ours_is_no_host_s() -> None:
    class Faulty(Imagined):
        def visit(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
            raise ZeroDivisionError

    crew = Faulty(Fleet(dict.fromkeys(HOSTS, "good")))
    with pytest.raises(ZeroDivisionError):
        driver(crew, Plan((HOSTS,), 0, 4), Memory()).run()


def test_a_look_that_does_nothing() -> None:
    fleet = Fleet(dict.fromkeys(HOSTS, "good"))
    state = look_only(Imagined(fleet), fold([planned(Plan((("a",), HOSTS[1:]), 1, 4))]))
    assert decide(state) == Start(("a",))
    assert set(fleet.version.values()) == {OLD}


def test_nothing_to_do_is_finished() -> None:
    log, crew = Memory(), Imagined(Fleet(dict.fromkeys(HOSTS, "holds")))
    assert driver(crew, Plan((HOSTS,), 1, 0), log).run().finished
    assert log.events[-1] == Finished()
    told = account(log.entries)
    assert {(row.what, row.after) for row in told.rows} == {("had it", NEW)}
