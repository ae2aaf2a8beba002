"""Drives a rollout: asks what to do next, notes it, has it done, and notes what came of it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Protocol

from toolkit.fleet.crew import Tell
from toolkit.ledger import Entry
from toolkit.rollout import BEFORE_ALL, Decision, Done, Look, Start, Stop, Undo, decide
from toolkit.rollout_events import (
    Begun,
    Event,
    Finished,
    Interrupted,
    Looked,
    Stopped,
    UndoBegun,
)
from toolkit.rollout_state import State, after


class Log(Protocol):
    """Where events are noted before anything is done about them."""

    def append(self, event: Event) -> Entry:
        """Note an event; when this returns, it is safe."""


class Crew(Protocol):
    """Works on hosts, by their names; each call returns when it has told one event for each.

    `state` is how the rollout stood when it was called.
    """

    @property
    def together(self) -> bool:
        """Whether what is begun at one time ends at one time, so that nothing can be added."""

    def look(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Ask how hosts stand before they are visited: Found."""

    def look_again(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Ask whether hosts that hold the version are healthy still: Found."""

    def visit(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Do on hosts what the rollout is for: Ended."""

    def undo(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Take hosts back to the version that they had: Undone."""


class Watcher(Protocol):
    """Who is told of each event, and of how the rollout stands then."""

    def __call__(self, entry: Entry, state: State, /) -> None:
        """See it."""


@dataclass(frozen=True)
class _Crashed:
    """A thread of ours ended by an error, which is one of this program and of no host."""

    error: BaseException


@dataclass
class Driver:
    """Drives one rollout to its end; `interrupt` may be called at any time, by a signal too."""

    log: Log
    crew: Crew
    watch: Watcher
    state: State
    _told: queue.SimpleQueue[Event | _Crashed] = field(default_factory=queue.SimpleQueue)
    _looking: bool = False

    def interrupt(self) -> None:
        """Begin nothing new, wait for what is in flight, then stop."""
        self._told.put(Interrupted())

    def run(self) -> State:
        """Do all that is decided; gives how the rollout stands when nothing is left to do.

        Raises LedgerError where an event can't be noted, and what a thread of the crew raised.
        """
        while True:
            self._hear()
            decision = decide(self.state)
            if isinstance(decision, Stop) and self.state.stopped is not None:
                return self.state
            if isinstance(decision, Done) and self.state.finished:
                return self.state
            if not self._do(decision):
                self.note(self._heard(self._told.get()))

    def _do(self, decision: Decision) -> bool:
        """Begin what was decided; False where something must be waited for."""
        match decision:
            case Look() if not self._looking:
                self._look(decision)
            case Start(hosts) if not (self._looking or self._all_at_once(self.state.in_flight)):
                self._start(hosts, Begun, self.crew.visit)
            case Undo(hosts) if not self._all_at_once(self.state.undoing):
                self._start(hosts, UndoBegun, self.crew.undo)
            case Stop(why, revert) if not self._looking:
                self.note(Stopped(why, revert))
            case Done() if not self._looking:
                self.note(Finished())
            case _:
                return False
        return True

    def _all_at_once(self, under_way: frozenset[str]) -> bool:
        return self.crew.together and bool(under_way)

    def _look(self, look: Look) -> None:
        self._looking = True
        ask = self.crew.look if look.waves == BEFORE_ALL else self.crew.look_again
        state = self.state

        def work() -> None:
            ask(look.hosts, state, self._told.put)
            self._told.put(Looked(look.waves))

        self._thread(work)

    def _start(
        self,
        hosts: Sequence[str],
        begun: Callable[[str], Event],
        do: Callable[[Sequence[str], State, Tell], None],
    ) -> None:
        state = self.state
        for host in hosts:
            self.note(begun(host))
        self._thread(lambda: do(hosts, state, self._told.put))

    def _thread(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again where it is heard
                self._told.put(_Crashed(error))

        # A daemon: a second Ctrl-C leaves at once, and the ledger says what is under way.
        threading.Thread(target=guarded, daemon=True).start()

    def _hear(self) -> None:
        """Note all that was told meanwhile."""
        while not self._told.empty():
            self.note(self._heard(self._told.get()))

    def _heard(self, told: Event | _Crashed) -> Event:
        if isinstance(told, _Crashed):
            raise told.error
        return told

    def note(self, event: Event) -> None:
        """Note an event that happened, and tell who watches."""
        if isinstance(event, Looked):
            self._looking = False
        if isinstance(event, Interrupted) and self._ends_already():
            return
        entry = self.log.append(event)
        self.state = after(self.state, event)
        self.watch(entry, self.state)

    def _ends_already(self) -> bool:
        stopped = self.state.stopped
        return self.state.interrupted or (stopped is not None and not stopped.revert)


def look_only(crew: Crew, state: State) -> State:
    """Look at all hosts and do nothing; gives how the rollout would begin."""
    found: list[Event] = []
    crew.look(state.plan.hosts, state, found.append)
    return reduce(after, [*found, Looked(BEFORE_ALL)], state)
