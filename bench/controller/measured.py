"""Servers that are measured, and what they use."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.crowd import Load, drive
from tests.support.postgres import cluster
from tests.support.served import Server, free_port, serving

_ECHO = """
import json
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    said = json.dumps(json.loads(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})
import uvicorn
uvicorn.run(app, port=PORT, loop="uvloop", http="httptools", access_log=False, log_level="error",
            lifespan="off", server_header=False)
"""


@dataclass(frozen=True)
class Measured:
    """Something that serves, with all its processes."""

    name: str
    port: int
    pid: int

    @property
    def pids(self) -> list[int]:
        """Give the server's process, and those that it started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def cpu(self) -> float:
        """Give the seconds of CPU that were used so far."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def peak(self) -> float:
        """Give the largest memory that was held, in MB."""
        lines = [
            line
            for pid in self.pids
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@contextmanager
def echo() -> Iterator[Measured]:
    """Give a server that reads JSON and writes it back, and does nothing else."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _ECHO.replace("PORT", str(port))])
    try:
        asyncio.run(_listens(port))
        yield Measured("bare echo", port, process.pid)
    finally:
        process.terminate()
        process.wait()


async def _listens(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


@contextmanager
def sqlite() -> Iterator[tuple[Measured, Server]]:
    """Give a controller on SQLite, one process."""
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/controller.db"
        with serving(url, Path(name) / "log") as server:
            yield _measured("SQLite", server), server


@contextmanager
def postgresql() -> Iterator[tuple[Measured, Server]]:
    """Give a controller on PostgreSQL, two worker processes."""
    with tempfile.TemporaryDirectory() as name, cluster() as found:
        url = found.database("bench")
        with serving(url, Path(name) / "log", "--workers", "2") as server:
            yield _measured("PostgreSQL, 2 workers", server), server


def _measured(name: str, server: Server) -> Measured:
    assert server.process is not None
    return Measured(name, server.port, server.process.pid)


@dataclass(frozen=True)
class Run:
    """What one run came to."""

    rate: float
    p50: float
    p99: float
    cpu: float
    bad: int


def run(target: Measured, requests: list[bytes], connections: int, seconds: float) -> Run:
    """Ask as fast as answers come; times in ms, CPU of the server in µs a request."""
    before = target.cpu()
    load = asyncio.run(drive(target.port, requests, connections, seconds))
    return run_of(load, seconds, target.cpu() - before)


def run_of(load: Load, seconds: float, cpu: float) -> Run:
    """Say what a load came to."""
    parts = statistics.quantiles(load.times, n=100)
    count = len(load.times)
    return Run(count / seconds, parts[49] * 1000, parts[98] * 1000, cpu / count * 1e6, load.bad)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as they must be, the first of them text."""
    lines = [heads, *rows]
    wide = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    for line in lines:
        first, *others = (
            text.ljust(size) if place == 0 else text.rjust(size)
            for place, (text, size) in enumerate(zip(line, wide, strict=True))
        )
        print(f" {first}  {'  '.join(others)}")


def conditions() -> str:
    """Say what the machine does besides."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{os.cpu_count()} CPUs that the client shares; load {load}"


def verdict(what: str, goal: str, held: bool) -> str:
    """Say a figure, its goal, and whether it was met."""
    return f"{what} (goal: {goal}; {'held' if held else 'MISSED'})"
