"""The door to hosts over Fabric: orders go in, answers come as they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from toolkit import remote
from toolkit.fleet.crew import Patience
from toolkit.fleet.orders import Orders
from toolkit.hosts import Host
from toolkit.reaching import Reach
from toolkit.remote import Outcome, Program
from toolkit.resources import door
from toolkit.rollout_state import State


@dataclass(frozen=True)
class FabricDoor:
    """Reaches `hosts` over ssh; so many in `parallel` where they are only asked."""

    hosts: Mapping[str, Host]
    orders: Orders
    reach: Reach = field(default_factory=Reach)
    patience: Patience = field(default_factory=Patience)
    parallel: int = remote.PARALLEL
    together: bool = False

    def check(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Ask what a visit would change."""
        orders = {host: self.orders.check(state.targets.get(host)) for host in hosts}
        return self._ask(orders, self.patience.look, self.parallel)

    def status(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        """Ask how the service stands."""
        orders = dict.fromkeys(hosts, self.orders.status)
        return self._ask(orders, self.patience.look, self.parallel)

    def visit(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Do what the rollout is for, on all hosts at once."""
        orders = {host: self.orders.visit(state.targets.get(host)) for host in hosts}
        return self._ask(orders, self.patience.visit, len(hosts))

    def undo(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Go back, on all hosts at once."""
        orders = {host: self.orders.undo(state.before[host]) for host in hosts}
        return self._ask(orders, self.patience.visit, len(hosts))

    def _ask(
        self, orders: Mapping[str, Callable[[Host], bytes]], timeout: float, parallel: int
    ) -> Iterator[Outcome]:
        return remote.run(
            [self.hosts[name] for name in orders],
            Program(door(), lambda host: orders[host.name](host)),
            parallel=parallel,
            timeout=timeout,
            reach=self.reach,
        )
