"""A brain, a platform and a room that a test looks into."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from xora_agent.brain import McpServer, Mind, Model, Question
from xora_agent.errors import BrainError, PlatformError, SettingError
from xora_agent.platform import Access, Receive


@dataclass
class FakeBrain:
    """Answers "MODEL: TEXT"; a question about "slow" waits for `go`, "fault" and "bug" fail."""

    minds: list[Mind] = field(default_factory=list)
    renewed: list[tuple[tuple[McpServer, ...], Model | None]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def configure(self, mind: Mind) -> str | None:
        if mind.model is not None and mind.model.provider == "unknown":
            raise SettingError("the provider unknown is not known")
        before = self.minds[-1].model if self.minds else None
        self.minds.append(mind)
        if before is None or mind.model is None or before.name == mind.model.name:
            return None
        return f"Switching from {before.name} → {mind.model.name}"

    async def renew(self, servers: tuple[McpServer, ...], model: Model | None) -> None:
        self.renewed.append((servers, model))

    async def answer(self, question: Question) -> AsyncIterator[str]:
        self.asked.append(question.text)
        if "slow" in question.text:
            await self.go.wait()
        if question.text == "fault":
            raise BrainError("the model does not answer")
        if question.text == "bug":
            raise KeyError("a bug")
        for piece in ("you said: ", question.text):
            yield piece

    async def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)

    async def save(self) -> None:
        self.done.append("save")

    async def close(self) -> None:
        self.done.append("close")


@dataclass
class FakeRoom:
    conversation: str = "test:1"
    said: list[str] = field(default_factory=list)
    typed: int = 0
    broken: bool = False
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, text: str) -> None:
        if self.broken:
            raise PlatformError("the room is gone")
        self.said.append(text)
        self.heard.set()

    def typing(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self._typing()

    @contextlib.asynccontextmanager
    async def _typing(self) -> AsyncIterator[None]:
        self.typed += 1
        yield

    async def next(self) -> str:
        """Give the next text."""
        await asyncio.wait_for(self.heard.wait(), 5)
        self.heard.clear()
        return self.said[-1]


@dataclass
class FakePlatform:
    """Fails to start `failures` times; every instance of a test shares `seen`."""

    access: Access
    seen: list[str]
    failures: list[BaseException]
    name: str = "discord"
    receive: Receive | None = None
    trouble: str = ""

    async def start(self, receive: Receive) -> None:
        self.seen.append(f"start {self.access.token.value}")
        if self.failures:
            raise self.failures.pop()
        self.receive = receive

    async def stop(self) -> None:
        self.seen.append(f"stop {self.access.token.value}")
