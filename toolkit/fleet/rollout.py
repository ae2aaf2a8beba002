"""Plans a rollout, drives it, and takes it up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from toolkit import ledger, remote
from toolkit.errors import LedgerError, NotFoundError
from toolkit.fleet.ansible import AnsibleDoor
from toolkit.fleet.crew import Crew, Door, Patience
from toolkit.fleet.driver import Driver, Watcher
from toolkit.fleet.fabric import KEPT, Arrive, FabricDoor
from toolkit.fleet.orders import Orders, Wish
from toolkit.fleet.where import Where
from toolkit.hosts import Host
from toolkit.rollout_events import Plan, Planned, Resumed
from toolkit.rollout_state import fold
from toolkit.secret import Secret
from toolkit.waves import Member, Shape, count_of, cut

Clock = Callable[[], str]


@dataclass(frozen=True)
class Request:
    """What an operator asks for. `offered` is what the project says of the agent: no secret."""

    name: str
    verb: str
    where: Where
    wish: Wish = field(default_factory=Wish)
    shape: Shape = field(default_factory=Shape)
    max_failed: str = "5%"
    revert: bool = False
    parallel: int = 25
    timeout: float = 900
    through: str = "fabric"
    offered: Mapping[str, Any] = field(default_factory=dict)

    def target(self) -> str:
        """Say in a word what is to run."""
        known = self.wish.variables(self.offered)
        if self.verb == "rollback":
            return self.wish.version or "the version before"
        if known.get("agent_version"):
            return str(known["agent_version"])
        channel = known.get("agent_channel")
        return f"what {channel} has" if channel else "what the inventory says"

    @classmethod
    def parse(cls, planned: Planned) -> Request:
        """Read what the ledger kept; raises LedgerError where it lacks something."""
        how = planned.how
        try:
            shape = {**how["shape"], "steps": tuple(how["shape"]["steps"])}
            shape["by"] = tuple(shape["by"])
            return cls(
                planned.name,
                planned.verb,
                Where.parse(how["where"]),
                Wish(**how["wish"]),
                Shape(**shape),
                how["max_failed"],
                how["revert"],
                how["parallel"],
                how["timeout"],
                how["through"],
                how["offered"],
            )
        except (KeyError, TypeError) as error:
            raise LedgerError(
                f"the rollout {planned.id} can't be taken up again",
                why=f"its ledger lacks {error}",
                hint="use the toolkit that began it, or begin a new one",
            ) from error


def plan_of(request: Request, hosts: Sequence[Host]) -> Plan:
    """Cut the hosts into waves and count the budget; raises UsageError where words are wrong."""
    members = [Member(host.name, host.groups, host.variables) for host in hosts]
    return Plan(
        waves=cut(members, request.shape),
        canaries=min(request.shape.canaries, len(members)),
        limit=count_of(request.max_failed, len(members), down=True),
        parallel=request.parallel,
        revert=request.revert,
    )


def crew_of(request: Request, hosts: Sequence[Host], arrive: Arrive | None = None) -> Crew:
    """Give who works on the hosts; raises ConfigError where the inventory is of another agent.

    Over Fabric, `arrive` says what a host is to be visited with, at the moment of its visit.
    """
    orders = Orders(request.name, request.verb, request.wish, request.offered)
    for host in hosts:
        orders.check(None)(host)  # what is wrong is said before a host is asked
    watches = [float(orders.variables(host).get("agent_watch") or 0) for host in hosts]
    patience = Patience(visit=request.timeout + max(watches, default=0))
    by_name = {host.name: host for host in hosts}
    door: Door
    if request.through == "ansible":
        door = AnsibleDoor(by_name, orders, request.where, patience, request.parallel)
    else:
        logins = remote.open_logins(request.where.reach, KEPT)
        door = FabricDoor(by_name, orders, logins, patience, request.parallel, arrive=arrive)
    return Crew(door, patience)


@dataclass(frozen=True)
class Desk:
    """Where a rollout is noted, by which clock, and who watches it."""

    folder: Path
    clock: Clock
    watch: Watcher


@dataclass(frozen=True)
class Begun:
    """A rollout that this process holds: drive it."""

    id: str
    driver: Driver


@contextmanager
def begin(
    request: Request, hosts: Sequence[Host], desk: Desk, arrive: Arrive | None = None
) -> Iterator[Begun]:
    """Write the plan of a new rollout down, and hold it.

    Raises LedgerError where another process works on one of its hosts for the same agent.
    """
    plan = plan_of(request, hosts)
    crew = crew_of(request, hosts, arrive)
    refuse_overlap(desk.folder, request.name, plan)
    how = {key: value for key, value in asdict(request).items() if key not in ("name", "verb")}
    how["arrives"] = arrive is not None
    rollout = _id(request.name, desk.clock(), desk.folder)
    planned = Planned(rollout, request.name, request.verb, request.target(), plan, how)
    with closing(crew), ledger.create(desk.folder, planned, desk.clock) as held:
        yield Begun(rollout, Driver(held, crew, desk.watch, fold([planned])))


@contextmanager
def resume(
    rollout: str, desk: Desk, password: Secret | None = None, *, again: bool = False
) -> Iterator[Begun]:
    """Take a rollout up again, in the words in which it was begun, and hold it.

    With `again`, hosts on which the version failed try it once more. Raises NotFoundError where
    there is none of that id or a host is gone, LedgerError where another process drives it or
    where it enrolls hosts.
    """
    with ledger.hold(desk.folder, rollout, desk.clock) as held:
        events = [entry.event for entry in ledger.read(desk.folder, rollout)]
        planned, state = events[0], fold(events)
        if not isinstance(planned, Planned):
            raise LedgerError(f"the ledger of {rollout} is damaged")
        if planned.how.get("arrives"):
            raise LedgerError(
                f"the rollout {rollout} enrolls its hosts, and can't be taken up again by its name",
                why="agents and credentials are made as each host is visited, and never kept here",
                hint="run the same `toolkit enroll` again: hosts that are enrolled stay so",
            )
        request = _again(Request.parse(planned)) if again else Request.parse(planned)
        hosts = _those_of(state.plan, request.where.hosts(password))
        refuse_overlap(desk.folder, request.name, state.plan, but=rollout)
        with closing(crew_of(request, hosts)) as crew:
            driver = Driver(held, crew, desk.watch, state)
            driver.note(Resumed())
            yield Begun(rollout, driver)


def _again(request: Request) -> Request:
    return replace(request, wish=replace(request.wish, again=True))


def _those_of(plan: Plan, hosts: Sequence[Host]) -> list[Host]:
    known = {host.name: host for host in hosts}
    gone = [name for name in plan.hosts if name not in known]
    if gone:
        raise NotFoundError(
            f"the inventory has no {', '.join(gone[:5])} any more",
            why="the rollout was planned with them",
            hint="put them back, or begin a new rollout: hosts that have the version stay as is",
        )
    return [known[name] for name in plan.hosts]


def refuse_overlap(folder: Path, name: str, plan: Plan, but: str = "") -> None:
    """Raise LedgerError where another process drives a rollout of the agent on such a host."""
    for other in ledger.rollouts(folder) if folder.is_dir() else []:
        if other == but or not ledger.is_held(folder, other):
            continue
        planned = ledger.read(folder, other)[0].event
        if not isinstance(planned, Planned) or planned.name != name:
            continue
        shared = set(planned.plan.hosts).intersection(plan.hosts)
        if shared:
            raise LedgerError(
                f"{other} is under way on hosts of this rollout",
                why=f"both have {', '.join(sorted(shared)[:5])}",
                hint="wait until it has ended, or end it with Ctrl-C where it runs",
            )


def _id(name: str, now: str, folder: Path) -> str:
    stamp = now[:19].replace("-", "").replace(":", "").replace("T", "-")
    first = f"{name}-{stamp}"
    number, rollout = 1, first
    while (folder / f"{rollout}{ledger.SUFFIX}").exists():
        number += 1
        rollout = f"{first}-{number}"
    return rollout
