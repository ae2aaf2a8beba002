"""What agentctl itself costs a host: time to start, memory, bytes on disk.

Its peers are a bare Python, and the same files from a folder with compiled bytecode, which a
zipapp does not have. Verdaccio is installed into a private folder, by a process of its own.
"""

from __future__ import annotations

import compileall
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.timing import Failed
from tests.support.releases import Released, build_example
from toolkit import engine
from toolkit.host.layout import Layout

RUNS = 11
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/", "LANG": "C.UTF-8", "USER": "root"}
# A process of its own, and a small one: a program's peak counts what it was forked from.
_MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
clock = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([clock, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
"""


@dataclass(frozen=True)
class Cost:
    """One run: seconds, seconds of CPU, and bytes of memory at most."""

    clock: float
    cpu: float
    memory: int


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        work = Path(name)
        agentctl = work / "agentctl"
        agentctl.write_bytes(engine.build().data)
        released = build_example("verdaccio", work / "dist")
        with installed(agentctl, released, work / "verdaccio") as (layout, cost):
            started(agentctl, layout, work)
            resident(layout, cost)


@contextmanager
def installed(agentctl: Path, released: Released, home: Path) -> Iterator[tuple[Layout, Cost]]:
    """Install for as long as the block lasts; gives where, and what that took."""
    tarball = released.artifact.tarball
    sha256 = (released.dist / f"{tarball}.sha256").read_text("ascii").split()[0]
    words = ["install", "verdaccio", "--version", released.spec.release_version]
    where = ["--store", str(released.dist), "--tarball", "any", tarball, sha256]
    how = ["--process-manager", "direct", "--home", str(home)]
    try:
        yield Layout(home), run([str(agentctl), *words, *where, *how])
    finally:
        run([str(agentctl), "uninstall", "--home", str(home)])


def run(words: Sequence[str]) -> Cost:
    """Run Python with `words`, to its end."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, sys.executable, *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"{words} failed: {done.stderr}")
    return Cost(*json.loads(done.stdout))


def started(agentctl: Path, layout: Layout, work: Path) -> None:
    folder = work / "compiled"
    with zipfile.ZipFile(agentctl) as file:
        file.extractall(folder)
    compileall.compile_dir(folder, quiet=2)
    kinds = {
        "python -c pass": ["-c", "pass"],
        "agentctl --version": [str(agentctl), "--version"],
        "the same, compiled": [str(folder / "__main__.py"), "--version"],
        "agentctl status": [str(agentctl), "status", "--home", str(layout.home)],
    }
    runs: dict[str, list[Cost]] = {kind: [] for kind in kinds}
    for _ in range(RUNS):
        for kind, words in kinds.items():
            runs[kind].append(run(words))
    console = Console()
    console.print(
        f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}; "
        f"medians of {RUNS} runs in turns"
    )
    table = Table("started", "seconds", "CPU seconds", "memory at most", box=None)
    for kind, costs in runs.items():
        table.add_row(
            kind,
            f"{statistics.median(cost.clock for cost in costs):.2f}",
            f"{statistics.median(cost.cpu for cost in costs):.3f}",
            f"{max(cost.memory for cost in costs) / 1e6:.0f} MB",
        )
    console.print(table)


def resident(layout: Layout, cost: Cost) -> None:
    pid = int((layout.run / "supervisor.pid").read_text("ascii").split()[0])
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    memory = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    console = Console()
    console.print(
        f"installing Verdaccio: {cost.clock:.1f} s, {cost.cpu:.1f} s of CPU, "
        f"{cost.memory / 1e6:.0f} MB of memory at most"
    )
    rss, pss = memory["Rss"] / 1e6, memory["Pss"] / 1e6
    console.print(f"supervisor of `direct`: {rss:.1f} MB resident, {pss:.1f} MB its own share")
    disk = {path.name: path.stat().st_size for path in (layout.agentctl, layout.state)}
    console.print("on disk: " + ", ".join(f"{name} {size:,} B" for name, size in disk.items()))


if __name__ == "__main__":
    main()
