"""A million hosts that follow one channel, simulated: the load on the store, and bad versions.

Nothing is measured here but the metadata: what one look of agentctl asks a signed store for, the
store of `bench.refresh`. The rest is arithmetic on a million hosts, each with its own moment,
from a seed. docs/follow.md has the formulas.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from bench.refresh import RELEASES, add, look
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore

SEED = 20261121
HOSTS = 1_000_000
MINUTE, HOUR, DAY = 60, 3600, 86_400
# Each request is a connection of its own: a TLS 1.3 handshake with two certificates, and headers.
PER_REQUEST = 4_000
# What a host's line gives, bytes a second; also what --max-rate 5M does.
LINE = 5_000_000
# Bytes, as in docs/figures.md.
PAYLOADS = {
    "delta of a patch, 81 kB": 80_800,
    "Glances, 23 MB": 23_100_000,
    "Verdaccio, 47 MB": 46_800_000,
}
PACES = (
    (15 * MINUTE, 0),
    (15 * MINUTE, MINUTE),
    (15 * MINUTE, 10 * MINUTE),
    (15 * MINUTE, 15 * MINUTE),
    (5 * MINUTE, 5 * MINUTE),
    (HOUR, HOUR),
    (6 * HOUR, 6 * HOUR),
    (DAY, DAY),
)
WATCH = 60.0
# Where this many hosts have failed, the rollout is stopped.
ENOUGH = 10


@dataclass(frozen=True)
class Asked:
    """What one look asks for: requests, and bytes of metadata with what carries them."""

    requests: int
    bytes: int


@dataclass(frozen=True)
class Load:
    """Requests and bytes per second at the store: mean and peak, and seconds until all is done."""

    requests_mean: float
    requests_peak: float
    bytes_mean: float
    bytes_peak: float
    seconds: float


@dataclass(frozen=True)
class Fault:
    """A bad version: on which share of hosts it shows, and how many seconds after its start."""

    name: str
    share: float
    after: float


@dataclass(frozen=True)
class Stop:
    """How a rollout ends: seconds until it is signed, and until no cache has the old metadata."""

    name: str
    publish: float
    cache: float


FAULTS = (
    Fault("everywhere, in its window", 1.0, WATCH),
    Fault("on 1 % of hosts, in it", 0.01, WATCH),
    Fault("everywhere, an hour later", 1.0, float(HOUR)),
)
STOPS = (Stop("1 + 1 min", MINUTE, MINUTE), Stop("15 + 5 min", 15 * MINUTE, 5 * MINUTE))
PARTS = (1, 10, 100)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        idle, news = asked(Path(name))
    console = Console(width=125)
    console.print(
        f"{HOSTS:,} hosts, seed {SEED}; a look with nothing new: {idle.requests} requests, "
        f"{idle.bytes:,} bytes; with a new version, of {RELEASES:,} releases: {news.requests} "
        f"requests, {news.bytes:,} bytes ({PER_REQUEST:,} of each request are TLS and headers)"
    )
    console.print(loads(idle, news))
    console.print(harm())


def asked(work: Path) -> tuple[Asked, Asked]:
    """Let agentctl look at a real store, with nothing new and with a release more."""
    store = SignedStore(work / "store")
    for number in range(RELEASES):
        add(store, number)
    store.publish()
    (work / "host").mkdir()
    (work / "host" / "root.json").write_bytes(store.root_bytes())
    found = []
    with StoreServer(store.folder) as server:
        look("agentctl", work / "host" / "home", server)
        for more in (False, True):
            if more:
                add(store, RELEASES)
                store.publish()
            before = len(server.requests)
            moved = look("agentctl", work / "host" / "home", server).moved
            requests = len(server.requests) - before
            found.append(Asked(requests, moved + requests * PER_REQUEST))
    return found[0], found[1]


def loads(idle: Asked, news: Asked) -> Table:
    """Give the load for each pace, at rest and when a version comes for all hosts."""
    table = Table("every", "delay", "what comes", box=None)
    for column in ("requests/s mean", "peak", "Gbit/s mean", "peak", "all have it"):
        table.add_column(column, justify="right")
    for every, delay in PACES:
        starts = arrivals(delay)
        rows = {"nothing": (idle, 0)} | {name: (news, size) for name, size in PAYLOADS.items()}
        for number, (name, (one, size)) in enumerate(rows.items()):
            load = load_of(starts, one, size, every if not size else 0)
            head = (spoken(every), spoken(delay)) if number == 0 else ("", "")
            gone = "" if not size else spoken(load.seconds)
            figures = (load.requests_mean, load.requests_peak)
            rates = (load.bytes_mean, load.bytes_peak)
            table.add_row(
                *head,
                name,
                *(f"{each:,.0f}" for each in figures),
                *(f"{each * 8 / 1e9:,.2f}" for each in rates),
                gone,
            )
    return table


def arrivals(delay: int) -> list[int]:
    """Give how many hosts look in each second of a round; clocks that agree differ by a second."""
    random = Random(SEED)
    spread = max(delay, 1)
    counts = [0] * spread
    for _ in range(HOSTS):
        counts[int(random.random() * spread)] += 1
    return counts


def load_of(starts: Sequence[int], one: Asked, size: int, every: int) -> Load:
    """Give the load of a round; the mean is over `every` seconds, or until all have `size`.

    A host fetches its metadata in the second in which it looks, then `size` bytes at LINE.
    """
    seconds = -(-size // LINE)
    total = len(starts) + seconds
    changes = [0.0] * (total + 1)
    if size:
        for second, hosts in enumerate(starts):
            changes[second] += hosts * size / seconds
            changes[second + seconds] -= hosts * size / seconds
    flowing = list(accumulate(changes))
    rates = [
        flowing[second] + (starts[second] * one.bytes if second < len(starts) else 0)
        for second in range(total)
    ]
    requests = one.requests + (1 if size else 0)
    over = every or total
    return Load(
        HOSTS * requests / over,
        max(starts) * requests,
        HOSTS * (one.bytes + size) / over,
        max(rates),
        float(total),
    )


def harm() -> Table:
    """Give how many hosts ever run a bad version, by how it is rolled out and stopped."""
    table = Table("the version fails", "every", "stop: signed + seen", box=None)
    for percent in PARTS:
        table.add_column(f"{percent} %: ran it", justify="right")
        table.add_column("of all", justify="right")
    for fault in FAULTS:
        for every in (15 * MINUTE, 6 * HOUR):
            for stop in STOPS:
                found = [exposed(percent, every, fault, stop) for percent in PARTS]
                cells = [(f"{one:,}", f"{one / HOSTS:.2%}") for one in found]
                head = (fault.name, spoken(every), stop.name)
                table.add_row(*head, *(cell for pair in cells for cell in pair))
    blank = [""] * (2 * len(PARTS) - 2)
    table.add_row("any of them", "-", "all at once, no stop", *blank, f"{HOSTS:,}", "100.00%")
    return table


def exposed(percent: int, every: int, fault: Fault, stop: Stop) -> int:
    """Give how many hosts start a bad version that is stopped once ENOUGH of them have failed.

    Each host looks at its own moment of the round, fetches Glances at LINE, and starts it.
    """
    random = Random(SEED)
    fetching = PAYLOADS["Glances, 23 MB"] / LINE
    looks = [random.random() * every for _ in range(HOSTS * percent // 100)]
    failing = (at for at in looks if random.random() < fault.share)
    known = heapq.nsmallest(ENOUGH, failing)[-1] + fetching + fault.after
    seen = known + stop.publish + stop.cache
    return sum(at < seen for at in looks)


def spoken(seconds: float) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:g} s"


if __name__ == "__main__":
    main()
