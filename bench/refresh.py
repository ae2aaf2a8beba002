"""What a host moves and waits for to know a store with 1,000 releases: agentctl against python-tuf.

Both read the same signed store from a server on loopback, in turns, each run in a process of its
own: first with nothing but the root, then again with nothing new, then with one release more.
agentctl verifies by pure Python, as a host without the cryptography package must; python-tuf's
own client uses that package. Bytes are those of the answers' bodies, as the server sent them.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release

TOP = Path(__file__).parent.parent
RELEASES = 1000
RUNS = 5
STEPS = ("first", "again", "one release more")


@dataclass(frozen=True)
class Look:
    """One refresh: seconds inside the process, and the bytes of metadata that were fetched."""

    seconds: float
    moved: int


def main() -> None:
    if len(sys.argv) == 4:
        client, home, url = sys.argv[1:]
        print({"agentctl": ours, "python-tuf": theirs}[client](Path(home), url))
        return
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        report(measure(Path(name)))


def ours(home: Path, url: str) -> float:
    from toolkit.host.trust import Trust  # noqa: PLC0415 - each process loads its own client

    root = (home.parent / "root.json").read_bytes()
    home.mkdir(exist_ok=True)
    began = time.perf_counter()
    trust = Trust(home, url, root, lambda: datetime.now(UTC))
    trust.refresh()
    assert trust._client is not None
    trust._client.targets_of("tiny")
    return time.perf_counter() - began


def theirs(home: Path, url: str) -> float:
    from tuf.ngclient import Updater, UpdaterConfig  # noqa: PLC0415

    metadata = home / "metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    root = (home.parent / "root.json").read_bytes()
    began = time.perf_counter()
    updater = Updater(
        str(metadata),
        f"{url}/metadata/",
        target_base_url=url,
        config=UpdaterConfig(prefix_targets_with_hash=False, targets_max_length=32_000_000),
        bootstrap=root,
    )
    updater.refresh()
    updater.get_targetinfo("tiny-v1.0.0.tar.gz")
    return time.perf_counter() - began


def measure(work: Path) -> dict[tuple[str, str], list[Look]]:
    """Give the looks of both clients, by client and step."""
    looks: dict[tuple[str, str], list[Look]] = {}
    for run in range(RUNS):
        store = SignedStore(work / f"store-{run}")
        for number in range(RELEASES):
            add(store, number)
        store.publish()
        (work / f"run-{run}").mkdir()
        (work / f"run-{run}" / "root.json").write_bytes(store.root_bytes())
        with StoreServer(store.folder) as server:
            for step in STEPS:
                if step == STEPS[2]:
                    add(store, RELEASES)
                    store.publish()
                for client in ("agentctl", "python-tuf"):
                    home = work / f"run-{run}" / client
                    looks.setdefault((client, step), []).append(look(client, home, server))
    return looks


def add(store: SignedStore, number: int) -> None:
    version = f"1.{number}.0"
    store.add(f"tiny-v{version}.tar.gz", version.encode(), release(version))


def look(client: str, home: Path, server: StoreServer) -> Look:
    before = len(server.requests)
    argv = [sys.executable, "-m", "bench.refresh", client, str(home), server.url]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True)
    sizes = {file.name: file.stat().st_size for file in (server.root / "metadata").iterdir()}
    fetched = [request for request in server.requests[before:] if request.status == 200]
    moved = sum(sizes[request.path.rpartition("/")[2]] for request in fetched)
    return Look(float(json.loads(done.stdout)), moved)


def report(looks: dict[tuple[str, str], list[Look]]) -> None:
    console = Console(width=100)
    console.print(
        f"{RELEASES} releases in one role; {os.cpu_count()} CPUs, {platform.machine()}; "
        f"medians of {RUNS} runs in turns"
    )
    table = Table("refresh", "client", "seconds", "bytes", "ratio of seconds", box=None)
    for step in STEPS:
        peer = statistics.median(one.seconds for one in looks["python-tuf", step])
        for client in ("python-tuf", "agentctl"):
            mine = looks[client, step]
            seconds = statistics.median(one.seconds for one in mine)
            moved = int(statistics.median(one.moved for one in mine))
            table.add_row(step, client, f"{seconds:.3f}", f"{moved:,}", f"{seconds / peer:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
