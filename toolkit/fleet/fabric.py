"""Works on the hosts of a rollout over Fabric: orders through the door, answers as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from toolkit import remote
from toolkit.fleet import answers
from toolkit.fleet.crew import Patience, Tell
from toolkit.fleet.orders import Orders
from toolkit.hosts import Host
from toolkit.remote import Outcome, Program, Reach
from toolkit.resources import door
from toolkit.rollout_events import Loss, Undone
from toolkit.rollout_state import State

# A service may be seen between two processes.
_TRIES = 3


@dataclass(frozen=True)
class FabricCrew:
    """Works on `hosts`, so many in `parallel` where nothing can go wrong."""

    hosts: dict[str, Host]
    orders: Orders
    reach: Reach = field(default_factory=Reach)
    patience: Patience = field(default_factory=Patience)
    parallel: int = remote.PARALLEL
    together: bool = False

    def look(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Ask what an order would change; hosts that may still be at work are waited for."""
        at_work = [host for host in hosts if host in state.open]
        waiting = [threading.Thread(target=self._wait, args=(host,)) for host in at_work]
        for thread in waiting:
            thread.daemon = True
            thread.start()
        self._check([host for host in hosts if host not in state.open], state, tell)
        for thread in waiting:
            thread.join()
        self._check(at_work, state, tell)

    def look_again(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Ask for the status; who is not well is asked once or twice more."""
        left = list(hosts)
        for number in range(_TRIES):
            unwell = []
            for outcome in self._ask(left, self.orders.status, self.patience.look):
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
        """Send the order; a host that falls silent is asked how it stands."""

        def ended(outcome: Outcome) -> None:
            name = outcome.host.name
            target = state.targets.get(name)
            tell(answers.ended(outcome, target))

        def silent(outcome: Outcome) -> None:
            name = outcome.host.name
            told = self._settled(outcome)
            tell(answers.settled(told, state.targets.get(name), state.versions.get(name)))

        programs = ((host, self.orders.visit(state.targets.get(host))) for host in hosts)
        self._each(programs, ended, silent)

    def undo(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        """Order the version that each had before."""

        def ended(outcome: Outcome) -> None:
            tell(answers.undone(outcome))

        def silent(outcome: Outcome) -> None:
            name, before = outcome.host.name, state.before[outcome.host.name]
            found = answers.settled(self._settled(outcome), before, state.versions.get(name))
            loss = found.loss and Loss(found.loss.kind, found.loss.reason)
            tell(Undone(name, found.after, loss, found.seconds))

        self._each(((host, self.orders.undo(state.before[host])) for host in hosts), ended, silent)

    def _check(self, hosts: Sequence[str], state: State, tell: Tell) -> None:
        if not hosts:
            return
        orders = {host: self.orders.check(state.targets.get(host)) for host in hosts}
        asked = self._ask(hosts, lambda host: orders[host.name](host), self.patience.look)
        for outcome in asked:
            tell(answers.found(outcome))

    def _each(
        self,
        programs: Iterable[tuple[str, Callable[[Host], bytes]]],
        ended: Callable[[Outcome], None],
        silent: Callable[[Outcome], None],
    ) -> None:
        """Send each host its order; those that fall silent are seen to beside the others."""
        orders = dict(programs)
        seeing = []
        asked = self._ask(
            list(orders), lambda host: orders[host.name](host), self.patience.visit, len(orders)
        )
        for outcome in asked:
            if answers.is_silent(outcome):
                seeing.append(threading.Thread(target=silent, args=(outcome,), daemon=True))
                seeing[-1].start()
            else:
                ended(outcome)
        for thread in seeing:
            thread.join()

    def _settled(self, silent: Outcome) -> Outcome:
        """Ask a host that fell silent until nothing is under way there; gives its last status.

        It has what is left of the time of its visit, and the margin: its own time-outs end within.
        """
        deadline = time.monotonic() + self.patience.margin
        if silent.seconds < self.patience.visit:
            deadline += self.patience.visit - silent.seconds
        unheard = time.monotonic() + self.patience.margin
        while True:
            (outcome,) = self._ask([silent.host.name], self.orders.status, self.patience.look)
            working = answers.working(outcome)
            now = time.monotonic()
            if working is False or now > (unheard if working is None else deadline):
                return outcome
            if working:
                unheard = now + self.patience.margin
            time.sleep(self.patience.poll)

    def _wait(self, host: str) -> None:
        self._settled(Outcome(self.hosts[host]))

    def _ask(
        self,
        hosts: Sequence[str],
        order: Callable[[Host], bytes],
        timeout: float,
        parallel: int | None = None,
    ) -> Iterator[Outcome]:
        chosen = [self.hosts[host] for host in hosts]
        program = Program(door(), order)
        return remote.run(
            chosen,
            program,
            parallel=max(parallel or self.parallel, 1),
            timeout=timeout,
            reach=self.reach,
        )
