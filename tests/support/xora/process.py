"""The agent as a process: runs `program` and sees what it does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.support.http import HTTP
from tests.support.served import free_port

TOP = Path(__file__).parent.parent.parent.parent
Json = dict[str, Any]


@dataclass
class Agent:
    """A running agent in its own folder."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.home / "stderr").read_text()

    @property
    def lines(self) -> list[Json]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    @property
    def brain(self) -> list[Json]:
        file = self.home / "brain.jsonl"
        return [json.loads(each) for each in file.read_text().splitlines()] if file.exists() else []

    def calls(self, call: str) -> list[Json]:
        return [each for each in self.brain if each["call"] == call]

    def health(self) -> tuple[int, Json]:
        try:
            answer = HTTP.get(f"http://127.0.0.1:{self.port}/health", timeout=5)
        except httpx2.HTTPError:
            return 0, {}
        return answer.status_code, answer.json()

    def connection(self) -> str:
        return str(self.health()[1].get("aiwm", {}).get("connection"))

    def metric(self, name: str) -> float:
        text = HTTP.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text
        found = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(found[0].split()[1])

    def until(self, holds: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait until something holds; the log is shown where it never does."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"never: {what}\n{self.log[-6000:]}"
            assert self.process.poll() is None, f"ended before: {what}\n{self.log[-6000:]}"
            time.sleep(0.05)

    def say(self, text: str, name: str = "discord") -> str:
        """Write into a room, and give the answer."""
        with socket.socket(socket.AF_UNIX) as room:
            room.settimeout(60)
            room.connect(str(self.home / f"{name}.sock"))
            room.sendall(text.encode() + b"\n")
            answer: str = json.loads(room.makefile().readline())
            return answer

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send(number)
        return self.process.wait(60)


@contextmanager
def running(home: Path, **env: str) -> Iterator[Agent]:
    """Run an agent in `home`, whose .env may stand there already."""
    port = free_port()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIWM_", "CLAUDE_", "ANTHROPIC_", "DISCORD_", "SSL_", "TELEGRAM_"))
    }
    fast = {"AIWM_BACKOFF_SECONDS": "0.05", "AIWM_RETRY_SECONDS": "1", "LOG_LEVEL": "debug"}
    given = {**inherited, **fast, "AIWM_HEALTH_PORT": str(port), "PYTHONPATH": str(TOP), **env}
    with (home / "stderr").open("ab") as log:
        process = subprocess.Popen(
            [os.environ.get("XORA_PYTHON", sys.executable), "-m", "tests.support.xora.program"],
            cwd=home,
            env=given,
            stdout=log,
            stderr=log,
        )
    agent = Agent(home, port, process)
    try:
        yield agent
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
