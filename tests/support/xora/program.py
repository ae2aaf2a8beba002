"""The agent as a program, with a brain that writes down what it is told, and rooms on a socket.

The client, its signals and its files are the real ones. With TEST_BRAIN=multi-provider, so is its
brain. It imports nothing that only tests need: each of them starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

from xora_agent.brain import Brain, McpServer, Mind, Model, Question
from xora_agent.cli import main
from xora_agent.configuration import Kind
from xora_agent.errors import SettingError
from xora_agent.platform import Access, Receive
from xora_agent.platforms import Maker
from xora_agent.secret import Secret


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
