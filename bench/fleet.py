"""Many hosts at once: `toolkit fleet` and our playbooks against what people write themselves.

The hosts are containers with a real systemd and sshd on this machine, so that all their work, and
that of the store, runs on its CPUs too: the seconds here are far above those of a real fleet, whose
hosts have CPUs of their own. The release is a small one, as the costs of reaching and asking hosts
are what is compared.

The peers do a part of the work: no signatures, no check of what was unpacked, no users and
settings, no wait for a healthy service, nothing to go back to.

    python -m bench.fleet            10, 25 and 50 hosts
    python -m bench.fleet 5          another number
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.fleet_cost import Cost, HostsCpu
from bench.fleet_hosts import booted, room
from bench.fleet_ways import FORKS, Ways, install_pyinfra, settle
from tests.support.ansible import install_collection
from tests.support.containers import SshKey
from tests.support.hosts import Host, reap
from tests.support.network import HostNetwork
from tests.support.releases import Released
from tests.support.serve import StoreServer
from tests.support.signed_fleet import NEW, OLD, SignedFleet, build_tiny

COUNTS = (10, 25, 50)
OURS = ("toolkit fleet", "our playbook")
PLAIN = "plain playbook"
PLAIN_RATIO = 8.0
Step = Callable[[], tuple[Cost, int]]
GOALS = {"install": 60.0, "no change": 10.0, "status": 3.0}


@dataclass(frozen=True)
class Figure:
    """One step of one way over `count` hosts; `changed` counts hosts."""

    count: int
    step: str
    way: str
    cost: Cost
    changed: int


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or list(COUNTS)
    console = Console(width=110)
    load = os.getloadavg()[1]
    reap()
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name, room(console):
        work = Path(name)
        collections = install_collection(work)
        pyinfra = install_pyinfra(work / "pyinfra")
        releases = build_tiny(work / "dist")
        console.print(
            f"{os.cpu_count()} CPUs, {platform.machine()}, for the hosts as well; load before: "
            f"{load:.0f}; {FORKS} hosts at a time; one run; Python {sys.version.split()[0]}"
        )
        figures: list[Figure] = []
        for count in counts:
            folder = work / str(count)
            folder.mkdir()
            bench = Bench(folder, collections, pyinfra, releases)
            figures += bench.measure(count, console)
        report(figures, console)


@dataclass(frozen=True)
class Bench:
    """What all counts of hosts share, and a folder for one of them."""

    folder: Path
    collections: Path
    pyinfra: Path
    releases: dict[str, Released]

    def measure(self, count: int, console: Console) -> list[Figure]:
        """Boot so many hosts, and take every step on them."""
        key = SshKey.generate(self.folder)
        (self.folder / "store").mkdir()
        with (
            HostNetwork() as network,
            booted(count, network, key) as hosts,
            StoreServer(self.folder / "store", address=network.gateway) as store,
        ):
            fleet = SignedFleet(self.folder, hosts, store, self.releases)
            ways = Ways(fleet, self.collections, self.pyinfra, HostsCpu(hosts))
            return [
                _said(Figure(count, step, way, *do()), console)
                for step, way, do in _steps(ways, hosts)
            ]


def _steps(ways: Ways, hosts: Sequence[Host]) -> list[tuple[str, str, Step]]:
    """List what is measured, in its order."""

    def upgrade() -> tuple[Cost, int]:
        ways.fleet.promote(NEW)
        done = ways.fleet_upgrade()
        settle(hosts, NEW)
        return done

    def after(port: int, do: Step) -> Step:
        def checked() -> tuple[Cost, int]:
            settle(hosts, OLD, port)
            return do()

        return checked

    return [
        ("install", "toolkit fleet", ways.fleet_install),
        ("no change", "toolkit fleet", ways.fleet_install),
        ("status", "toolkit fleet", ways.fleet_status),
        ("status", "toolkit fleet, again", ways.fleet_status),
        ("no change", "our playbook", after(7070, ways.our_playbook)),
        ("upgrade in waves", "toolkit fleet", upgrade),
        ("uninstall", "our playbook", lambda: ways.our_playbook("uninstall")),
        ("install", "our playbook", ways.our_playbook),
        ("install", PLAIN, ways.plain_playbook),
        ("no change", PLAIN, after(7171, ways.plain_playbook)),
        ("install", "pyinfra", ways.by_pyinfra),
        ("no change", "pyinfra", after(7272, ways.by_pyinfra)),
    ]


def _said(figure: Figure, console: Console) -> Figure:
    """Say how far it is: it takes long."""
    where = f"{figure.count} hosts, {figure.step}, {figure.way}"
    cost = figure.cost
    console.print(
        f"[dim]{where}: {cost.clock:.1f} s; CPU {cost.cpu:.1f} s, of hosts {cost.hosts:.1f} s; "
        f"{cost.memory / 1e6:.0f} MB; load {os.getloadavg()[0]:.0f}[/dim]"
    )
    return figure


def report(figures: Sequence[Figure], console: Console) -> None:
    """Print all figures in one table, then what the goals say to them."""
    columns = ("hosts", "by", "seconds", "ratio", "our CPU s", "hosts' CPU s", "memory", "changed")
    table = Table("step", *columns, box=None)
    for figure in sorted(figures, key=lambda one: (_steps_order(one.step), one.count)):
        cost = figure.cost
        table.add_row(
            figure.step,
            str(figure.count),
            figure.way,
            f"{cost.clock:.1f}",
            f"{cost.clock / _first(figures, figure).cost.clock:.2f}",
            f"{cost.cpu:.1f}",
            f"{cost.hosts:.1f}",
            f"{cost.memory / 1e6:.0f} MB",
            "" if figure.way == "pyinfra" or figure.step == "status" else str(figure.changed),
        )
    console.print(table)
    most = max(figure.count for figure in figures)
    for line in judged([figure for figure in figures if figure.count == most]):
        console.print(line)


def _steps_order(step: str) -> int:
    return ("install", "no change", "status", "upgrade in waves", "uninstall").index(step)


def _first(figures: Sequence[Figure], of: Figure) -> Figure:
    """Give the figure that others of this step are held against: that of `toolkit fleet`."""
    return next(one for one in figures if (one.step, one.count) == (of.step, of.count))


def judged(figures: Sequence[Figure]) -> list[str]:
    """Say of each goal whether the figures hold it."""
    lines = []
    for figure in figures:
        goal = GOALS.get(figure.step)
        if goal is None or figure.way not in OURS:
            continue
        held = figure.cost.clock <= goal and (figure.step != "no change" or figure.changed == 0)
        lines.append(
            f"{figure.step}, {figure.way}, {figure.count} hosts: {figure.cost.clock:.1f} s "
            f"(goal for 50: at most {goal:g} s; {_word(held)})"
        )
    for step in ("install", "no change"):
        clocks = {one.way: one.cost.clock for one in figures if one.step == step}
        for way in OURS:
            ratio = clocks[PLAIN] / clocks[way]
            lines.append(
                f"{step}: the plain playbook takes {ratio:.1f} times as long as {way} "
                f"(goal: at least {PLAIN_RATIO:g}; {_word(ratio >= PLAIN_RATIO)})"
            )
    return lines


def _word(held: bool) -> str:
    return "held" if held else "MISSED"


if __name__ == "__main__":
    main()
