"""Packing Verdaccio with its Node.js and PM2: `toolkit release` against tar and sha256sum.

Both pack the same tree, in turns, from a warm page cache, on all CPUs that there are; the
figures are medians. Ours is timed in a process of its own, from the first look at the tree to
the finished tarball and its SHA-256, without the start of Python: a release packs at the end
of a process that runs already.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from toolkit.archive import DEFAULT_EPOCH, Sinks, build_archive
from toolkit.config import parse_agent
from toolkit.host.layout import this_platform
from toolkit.host.manifest import PATH as MANIFEST
from toolkit.host.manifest import dump_manifest
from toolkit.progress import Silent
from toolkit.release import Settings, build
from toolkit.spec import Platform
from toolkit.tree import entry, walk

TOP = Path(__file__).parent.parent
RUNS = 7
FASTER, LARGER, MEMORY_MB = 4.0, 1.03, 200


@dataclass(frozen=True)
class Run:
    """One packing: seconds on the clock, size of the tarball and peak memory in bytes."""

    seconds: float
    size: int
    memory: int = 0


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(pack(Path(sys.argv[1]), Path(sys.argv[2]))))
        return
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        work = Path(name)
        tree = make_tree(work)
        theirs, ours = alternate(lambda: peer(tree, work), lambda: toolkit(tree, work))
        report(tree, theirs, ours)


def make_tree(work: Path) -> Path:
    """Unpack what `toolkit release verdaccio` packs for this machine."""
    file = TOP / "release" / "verdaccio.toml"
    spec = parse_agent(file.read_text("utf-8"), file=str(file))
    here: Platform = "linux-arm64" if this_platform() == "linux-arm64" else "linux-x64"
    built = build(spec, here, Settings(TOP, work / "out"), Silent())
    tree = work / "tree"
    with tarfile.open(built.paths[0]) as tar:
        tar.extractall(tree, filter="tar")
    return tree


def alternate(*packers: Callable[[], Run]) -> list[list[Run]]:
    """Let each pack in turn, so that what else the machine does falls on all alike."""
    for packer in packers:
        packer()
    rounds = [[packer() for packer in packers] for _ in range(RUNS)]
    return [list(runs) for runs in zip(*rounds, strict=True)]


def peer(tree: Path, work: Path) -> Run:
    tarball = work / "peer.tar.gz"
    began = time.perf_counter()
    subprocess.run(["tar", "-czf", tarball, "-C", tree, "."], check=True)
    subprocess.run(["sha256sum", tarball], check=True, stdout=subprocess.DEVNULL)
    return Run(time.perf_counter() - began, tarball.stat().st_size)


def toolkit(tree: Path, work: Path) -> Run:
    command = [sys.executable, "-m", "bench.pack", str(tree), str(work / "toolkit.tar.gz")]
    row = json.loads(subprocess.check_output(command, cwd=TOP, text=True))
    return Run(row["seconds"], row["size"], row["memory"])


def pack(tree: Path, tarball: Path) -> dict[str, float]:
    began = time.perf_counter()
    entries = [entry(found.file, found.path, "") for found in walk(tree) if found.path != MANIFEST]
    with tarball.open("wb") as sink:
        archive = build_archive(
            entries,
            Sinks(sink),
            epoch=DEFAULT_EPOCH,
            manifest=lambda files: dump_manifest("verdaccio", "0", None, files),
        )
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "size": archive.gzip.size, "memory": own_peak()}


def own_peak() -> int:
    """Give the peak memory in bytes; getrusage's counts that of the process that started this."""
    text = Path("/proc/self/status").read_text("ascii")
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def report(tree: Path, theirs: list[Run], ours: list[Run]) -> None:
    files = list(walk(tree))
    total = sum(os.lstat(found.file).st_size for found in files) / 1e6
    console = Console()
    console.print(
        f"{len(files)} files, {total:.0f} MB; {os.cpu_count()} CPUs, {platform.machine()}; "
        f"median of {RUNS} runs in turns"
    )
    table = Table("packed by", "seconds", "fastest - slowest", "size", "peak memory", box=None)
    for name, runs in (("tar czf + sha256sum", theirs), ("toolkit release", ours)):
        times = [run.seconds for run in runs]
        table.add_row(
            name,
            f"{statistics.median(times):.2f}",
            f"{min(times):.2f} - {max(times):.2f}",
            f"{runs[0].size / 1e6:.1f} MB",
            f"{max(run.memory for run in runs) / 1e6:.0f} MB" if runs[0].memory else "",
        )
    console.print(table)
    faster = median(theirs) / median(ours)
    larger = ours[0].size / theirs[0].size
    memory = max(run.memory for run in ours) / 1e6
    goals = (
        (f"{faster:.1f} times as fast", f"at least {FASTER:.0f}", faster >= FASTER),
        (f"{larger:.3f} times the size", f"at most {LARGER}", larger <= LARGER),
        (f"{memory:.0f} MB of memory", f"under {MEMORY_MB} MB", memory < MEMORY_MB),
    )
    for figure, goal, held in goals:
        console.print(f"{figure} (goal: {goal}; {'held' if held else 'MISSED'})")


def median(runs: list[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


if __name__ == "__main__":
    main()
