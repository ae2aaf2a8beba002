"""Works on the hosts of a rollout, through a door, and tells what came of it, host by host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from toolkit.fleet import answers
from toolkit.remote import Outcome
from toolkit.rollout_events import Event, Loss, Undone
from toolkit.rollout_state import State

Tell = Callable[[Event], None]
Ask = Callable[[Sequence[str]], Iterator[Outcome]]
# A service may be seen between two processes.
_TRIES = 3


@dataclass(frozen=True)
class Patience:
    """Seconds: a look, a visit with its watch window, and how long a silent host is asked again."""

    look: float = 120
    visit: float = 900
    margin: float = 60
    poll: float = 3


class Door(Protocol):
    """One way to the hosts: each call gives an outcome for each host, as they end.

    `state` says what each host is to run. `together` says that what is begun at one time ends at
    one time, so that nothing can be added meanwhile.
    """

    @property
    def together(self) -> bool:
        """Whether what is begun at one time ends at one time."""

    def check(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Ask what a visit would change; nothing changes."""

    def status(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        """Ask how the service stands: `data` of an answer is what `agentctl status` says."""

    def glance(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        """Ask the same in the cheapest way; who seems unwell is to be asked for his status."""

    def visit(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Do what the rollout is for."""

    def undo(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Go back to the version that each had before."""

    def close(self) -> None:
        """Keep no connection any more."""


@dataclass(frozen=True)
class Crew:
    """Works through a door; each call returns when it has told one event for each host."""

    door: Door
    patience: Patience = field(default_factory=Patience)

    @property
    def together(self) -> bool:
        """Whether what is begun at one time ends at one time."""
        return self.door.together

    def close(self) -> None:
        """Keep no connection any more."""
        self.door.close()

    def look(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Tell how hosts stand before they are visited; who may be at work still is waited for."""
        at_work = [host for host in hosts if host in state.open]
        waiting = [
            threading.Thread(target=self._settled, args=(host, 0.0), daemon=True)
            for host in at_work
        ]
        for thread in waiting:
            thread.start()
        self._check([host for host in hosts if host not in state.open], state, tell)
        for thread in waiting:
            thread.join()
        self._check(at_work, state, tell)

    def look_again(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Tell whether hosts hold the version still; who is not well is asked again."""
        left = list(hosts)
        for number in range(_TRIES):
            unwell = []
            for outcome in self.door.status(left) if number else self.door.glance(left):
                found = answers.looked_again(outcome, state.versions.get(outcome.host.name))
                if found.loss is None or number == _TRIES - 1:
                    tell(found)
                else:
                    unwell.append(outcome.host.name)
            left = unwell
            if not left:
                return
            time.sleep(self.patience.poll)

    def visit(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Do what the rollout is for; a host that falls silent is asked how it stands.

        Where another agentctl was at work, nothing was done: once it has ended, it is our turn.
        """

        def ask(hosts: Sequence[str]) -> Iterator[Outcome]:
            return self.door.visit(hosts, state)

        def ended(outcome: Outcome) -> None:
            tell(answers.ended(outcome, state.targets.get(outcome.host.name)))

        def silent(outcome: Outcome) -> None:
            name = outcome.host.name
            status = self._settled(name, outcome.seconds)
            if answers.is_busy(outcome) and answers.working(status) is False:
                (outcome,) = self._twice(ask, [name])
                if not answers.is_silent(outcome):
                    ended(outcome)
                    return
                status = self._settled(name, outcome.seconds)
            tell(answers.settled(status, state.targets.get(name), state.versions.get(name)))

        self._each(self._twice(ask, hosts), ended, silent)

    def undo(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Take hosts back to the version that they had."""

        def ended(outcome: Outcome) -> None:
            tell(answers.undone(outcome))

        def silent(outcome: Outcome) -> None:
            name = outcome.host.name
            status = self._settled(name, outcome.seconds)
            found = answers.settled(status, state.before[name], state.versions.get(name))
            loss = found.loss and Loss(found.loss.kind, found.loss.reason)
            tell(Undone(name, found.after, loss, found.seconds))

        self._each(self._twice(lambda left: self.door.undo(left, state), hosts), ended, silent)

    def _check(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        for outcome in self._twice(lambda left: self.door.check(left, state), hosts):
            name = outcome.host.name
            tell(answers.found(outcome, begun=name in state.open))

    def _twice(self, ask: Ask, hosts: Sequence[str]) -> Iterator[Outcome]:
        """Ask hosts; who could not be reached, so that nothing was asked, is tried once more."""
        missed = []
        for outcome in ask(hosts) if hosts else ():
            if answers.is_unreached(outcome):
                missed.append(outcome.host.name)
            else:
                yield outcome
        if missed:
            time.sleep(self.patience.poll)
            yield from ask(missed)

    def _each(
        self,
        outcomes: Iterator[Outcome],
        ended: Callable[[Outcome], None],
        silent: Callable[[Outcome], None],
    ) -> None:
        """Take outcomes as they come; hosts that fell silent are seen to beside the others."""
        seeing = []
        for outcome in outcomes:
            if answers.is_silent(outcome):
                seeing.append(threading.Thread(target=silent, args=(outcome,), daemon=True))
                seeing[-1].start()
            else:
                ended(outcome)
        for thread in seeing:
            thread.join()

    def _settled(self, host: str, spent: float) -> Outcome:
        """Ask a host that fell silent until nothing is under way there; gives its last status.

        It has what is left of the time of its visit, and the margin: its own time-outs end within.
        Who does not even answer has the margin alone.
        """
        now = time.monotonic()
        deadline = now + self.patience.margin + max(self.patience.visit - spent, 0)
        unheard = now + self.patience.margin
        while True:
            (outcome,) = self.door.status([host])
            working = answers.working(outcome)
            now = time.monotonic()
            if working is False or now > (unheard if working is None else deadline):
                return outcome
            if working:
                unheard = now + self.patience.margin
            time.sleep(self.patience.poll)
