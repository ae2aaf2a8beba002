"""The agent as a process, with a brain that writes down what it is told, and rooms on a socket.

Run as a program, it is the agent: the client, its signals and its files are the real ones. With
TEST_BRAIN=multi-provider, so is its brain.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
from xora_agent.brain import Brain, McpServer, Mind, Model, Question
from xora_agent.cli import main
from xora_agent.configuration import Kind
from xora_agent.errors import SettingError
from xora_agent.platform import Access, Receive
from xora_agent.platforms import Maker
from xora_agent.secret import Secret

from tests.support.served import free_port

TOP = Path(__file__).parent.parent.parent.parent
Json = dict[str, Any]


class WritingBrain:
    """Writes each call as a line of brain.jsonl; never write a brain so: secrets stand in it."""

    def __init__(self, home: Path) -> None:
        self._file = home / "brain.jsonl"

    def _note(self, call: str, **facts: object) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps({"call": call, **facts}, default=_shown) + "\n")

    async def configure(self, mind: Mind) -> str | None:
        if mind.model is not None and mind.model.provider == "unknown":
            raise SettingError("the provider unknown is not known")
        self._note("configure", **asdict(mind))
        return None

    async def renew(self, servers: tuple[McpServer, ...], model: Model | None) -> None:
        self._note("renew", mcp_servers=[asdict(each) for each in servers])

    async def answer(self, question: Question) -> AsyncIterator[str]:
        self._note("answer", text=question.text)
        if question.text == "slow":
            await asyncio.sleep(3600)
        yield f"you said: {question.text}"

    async def forget(self, conversation: str) -> None:
        self._note("forget", conversation=conversation)

    async def save(self) -> None:
        self._note("save")
        await asyncio.sleep(float(os.environ.get("SLOW_SAVE", "0")))

    async def close(self) -> None:
        self._note("close")


def _shown(value: object) -> object:
    return value.value if isinstance(value, Secret) else str(value)


class SocketPlatform:
    """Rooms as lines on a socket: each line that comes is a message, each that goes an answer."""

    def __init__(self, name: str, home: Path, access: Access) -> None:
        self.name = name
        self.trouble = ""
        self._path = home / f"{name}.sock"
        self._access = access
        self._server: asyncio.Server | None = None

    async def start(self, receive: Receive) -> None:
        self._path.unlink(missing_ok=True)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            room = SocketRoom(f"{self.name}:1", writer)
            async for line in reader:
                await receive(room, "somebody", line.decode().rstrip("\n"))

        self._server = await asyncio.start_unix_server(serve, self._path)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)


@dataclass
class SocketRoom:
    conversation: str
    writer: asyncio.StreamWriter

    async def say(self, text: str) -> None:
        self.writer.write(json.dumps(text).encode() + b"\n")
        await self.writer.drain()

    @contextlib.asynccontextmanager
    async def typing(self) -> AsyncIterator[None]:
        yield


def _makers() -> dict[str, Maker]:
    home = Path.cwd()

    def maker(name: str) -> Maker:
        return lambda access: SocketPlatform(name, home, access)

    return {name: maker(name) for name in ("discord", "telegram")}


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
            answer = httpx2.get(f"http://127.0.0.1:{self.port}/health", timeout=5)
        except httpx2.HTTPError:
            return 0, {}
        return answer.status_code, answer.json()

    def connection(self) -> str:
        return str(self.health()[1].get("aiwm", {}).get("connection"))

    def metric(self, name: str) -> float:
        text = httpx2.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text
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
            [sys.executable, "-m", "tests.support.xora.process"],
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


def _multi_provider(home: Path) -> Brain:
    # The other brain's process starts in a fifth of the time without it.
    module = importlib.import_module("xora_agent.multi_provider.brain")
    brain: Brain = module.MultiProvider(home / "workspace")
    return brain


if __name__ == "__main__":
    makers = None if "REAL_PLATFORMS" in os.environ else _makers
    if os.environ.get("TEST_BRAIN") == "multi-provider":
        main(Kind.MULTI_PROVIDER, _multi_provider, makers=makers)
    main(Kind.CLAUDE_CODE, WritingBrain, makers=makers)
