"""The door to hosts over Fabric: orders go in, answers come as they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from toolkit import remote
from toolkit.fleet.crew import Patience
from toolkit.fleet.orders import Orders
from toolkit.hosts import Host
from toolkit.remote import Outcome, Program
from toolkit.resources import door, probe
from toolkit.rollout_state import State

if TYPE_CHECKING:
    from toolkit.logins import Logins

# How many connections to keep: each costs this process a thread that wakes ten times a second.
KEPT = 64
# Gives a host as it is to be visited, once a login has come about and not before.
Arrive = Callable[[Host], Host]


@dataclass(frozen=True)
class FabricDoor:
    """Reaches `hosts` over ssh; so many in `parallel` where they are only asked.

    It stays logged in between the steps of a rollout, as `logins` says, until it is closed.
    """

    hosts: Mapping[str, Host]
    orders: Orders
    logins: Logins
    patience: Patience = field(default_factory=Patience)
    parallel: int = remote.PARALLEL
    together: bool = False
    arrive: Arrive | None = None

    def check(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Ask what a visit would change."""
        # Those that are visited first are asked last: their connections are kept.
        last = reversed(hosts)
        orders = {host: self.orders.check(state.targets.get(host)) for host in last}
        return self._ask(orders, self.patience.look, self.parallel)

    def status(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        """Ask how the service stands."""
        orders = dict.fromkeys(hosts, self.orders.status)
        return self._ask(orders, self.patience.look, self.parallel)

    def glance(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        """Ask the same of the probe."""
        program = Program(probe("fleet"), self.orders.glance)
        for outcome in self._run(hosts, program, self.patience.look, self.parallel):
            known = outcome.failure is None
            yield replace(outcome, answer={"data": outcome.answer}) if known else outcome

    def visit(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Do what the rollout is for, on all hosts at once."""
        orders = {host: self._visit(state.targets.get(host)) for host in hosts}
        return self._ask(orders, self.patience.visit, len(hosts))

    def _visit(self, target: str | None) -> Callable[[Host], bytes]:
        order, arrive = self.orders.visit(target), self.arrive
        return order if arrive is None else lambda host: order(arrive(host))

    def undo(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Go back, on all hosts at once."""
        orders = {host: self.orders.undo(state.before[host]) for host in hosts}
        return self._ask(orders, self.patience.visit, len(hosts))

    def _ask(
        self, orders: Mapping[str, Callable[[Host], bytes]], timeout: float, parallel: int
    ) -> Iterator[Outcome]:
        program = Program(door(), lambda host: orders[host.name](host))
        return self._run(tuple(orders), program, timeout, parallel)

    def _run(
        self, hosts: Sequence[str], program: Program, timeout: float, parallel: int
    ) -> Iterator[Outcome]:
        return remote.run(
            [self.hosts[name] for name in hosts],
            program,
            parallel=parallel,
            timeout=timeout,
            reach=self.logins,
        )

    def close(self) -> None:
        """Log out everywhere."""
        self.logins.close()
