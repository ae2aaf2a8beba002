"""Asks the model of a deployment, whoever provides it; conversations outlive the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pydantic_ai import Agent
from pydantic_ai.exceptions import AgentRunError, ModelContextWindowExceededError
from pydantic_ai.messages import (
    AgentStreamEvent,
    ModelMessage,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.run import AgentRunResultEvent
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import UsageLimits

from xora_agent.brain import McpServer, Mind, Model, Question
from xora_agent.errors import BrainError
from xora_agent.multi_provider import history
from xora_agent.multi_provider.faults import explain
from xora_agent.multi_provider.history import Conversation, Shelf
from xora_agent.multi_provider.patience import Patience, TryAgain
from xora_agent.multi_provider.providers import Wires, check, connect, open_wires
from xora_agent.multi_provider.tools import UNREACHED, Toolbox, short

if TYPE_CHECKING:
    from pydantic_ai.models import Model as Asked

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Ready:
    """All that one answer is made with; a reload makes a new one, and answers keep theirs."""

    mind: Mind
    model: Model
    asked: Asked
    toolbox: Toolbox


class MultiProvider:
    """The brain that asks models of many providers."""

    def __init__(self, state: Path, patience: Patience | None = None) -> None:
        self._shelf = Shelf(state / "conversations")
        self._patience = patience or Patience()
        self._wires: Wires | None = None
        self._ready: _Ready | None = None
        self._conversations: dict[str, Conversation] = {}

    async def configure(self, mind: Mind) -> str | None:
        """Take a new mind; say so where another model answers from now on."""
        model = check(mind.model)
        before = self._ready
        toolbox = Toolbox(mind.mcp_servers, mind.allowed_tools)
        ready = _Ready(mind, model, await self._connect(model), toolbox)
        if before is None and mind.resume:
            self._conversations = await asyncio.to_thread(self._shelf.load)
        self._ready = ready
        if before is None or _name(before.model) == _name(model):
            return None
        sentence = f"Switching from {_name(before.model)} → {_name(model)}"
        _log.info(sentence)
        return sentence

    async def renew(self, servers: tuple[McpServer, ...], model: Model | None) -> None:
        """Take renewed tokens: tools have them at once, the model from the next question on."""
        ready = self._ready
        if ready is None:
            return
        ready.toolbox.renew(servers)
        if model is None:
            return
        asked = await self._connect(check(model))
        if self._ready is ready:  # and neither closed nor configured anew meanwhile
            self._ready = replace(ready, model=model, asked=asked)

    async def answer(self, question: Question) -> AsyncIterator[str]:
        """Give the answer in pieces. A question that fails leaves the conversation as it was."""
        ready = self._ready
        if ready is None:
            raise BrainError("the agent has no model yet", hint="try again in a while")
        conversation = self._conversations.setdefault(
            question.conversation, Conversation(question.conversation)
        )
        limit = history.LIMIT
        while True:
            said = False
            try:
                async for piece in self._ask(ready, conversation, _prompt(question), limit):
                    said = True
                    yield piece
                break
            except ModelContextWindowExceededError as fault:
                limit = _shorter(conversation.messages, limit)
                if said or not limit:
                    raise explain(fault, ready.model, ready.mind.max_turns) from fault
                _log.warning("the conversation is too long for the model", kept_tokens=limit)
            except AgentRunError as fault:
                raise explain(fault, ready.model, ready.mind.max_turns) from fault
            except UNREACHED as fault:
                raise BrainError("the answer came to nothing", why=short(fault)) from fault
        if ready.mind.resume:
            try:
                await asyncio.to_thread(self._save, conversation)
            except OSError as fault:  # such as a full disk; the answer is there all the same
                _log.error("a conversation was not written", why=fault.strerror)

    async def _ask(
        self, ready: _Ready, conversation: Conversation, prompt: str, limit: int
    ) -> AsyncIterator[str]:
        async with AsyncExitStack() as stack:
            toolsets, missing = await ready.toolbox.open(stack)
            agent = Agent(ready.asked, instructions=_instructions(ready.mind, missing))
            events = await stack.enter_async_context(
                agent.run_stream_events(
                    prompt,
                    message_history=history.fit(conversation.messages, limit),
                    model_settings=self._settings(ready.mind),
                    usage_limits=UsageLimits(request_limit=ready.mind.max_turns),
                    toolsets=toolsets,
                    capabilities=[TryAgain(self._patience)],
                )
            )
            said = False
            async for event in events:
                if isinstance(event, AgentRunResultEvent):
                    conversation.messages = event.result.all_messages()
                    conversation.unsaved = True
                elif piece := _text(event, said):
                    said = True
                    yield piece

    def _settings(self, mind: Mind) -> ModelSettings:
        """Give the settings that are set, and no others: some models refuse a temperature."""
        settings = ModelSettings(max_retries=0, timeout=self._patience.silence)
        if mind.temperature is not None:
            settings["temperature"] = mind.temperature
        if mind.max_tokens is not None:
            settings["max_tokens"] = mind.max_tokens
        if mind.top_p is not None:
            settings["top_p"] = mind.top_p
        return settings

    async def _connect(self, model: Model) -> Asked:
        if self._wires is None:
            self._wires = open_wires()
        # A provider's client takes a second to import, and heartbeats can't wait.
        return await asyncio.to_thread(connect, model, self._wires)

    def _save(self, conversation: Conversation) -> None:
        # One that was forgotten while it was answered must not come back.
        if self._conversations.get(conversation.name) is conversation:
            self._shelf.save([conversation])

    async def forget(self, conversation: str) -> None:
        """Begin this conversation anew, here and on disk."""
        self._conversations.pop(conversation, None)
        await asyncio.to_thread(self._shelf.forget, conversation)

    async def save(self) -> None:
        """Write what was said since it was last written."""
        if self._ready is not None and self._ready.mind.resume:
            await asyncio.to_thread(self._shelf.save, list(self._conversations.values()))

    async def close(self) -> None:
        """Close connections."""
        self._ready = None
        if self._wires is not None:
            wires, self._wires = self._wires, None
            await wires.close()


def _name(model: Model) -> str:
    return f"{model.provider}/{model.name}"


def _prompt(question: Question) -> str:
    """Say who asks: several people may share a conversation."""
    author = " ".join(question.author.split())
    return f"{author}: {question.text}" if author else question.text


def _instructions(mind: Mind, missing: list[str]) -> str:
    if not missing:
        return mind.instruction
    names = ", ".join(missing)
    return f"{mind.instruction}\n\nThe tools of {names} can't be reached at the moment."


def _text(event: AgentStreamEvent, said: bool) -> str:
    """Take the text out of an event; what is said after a tool was used is a new paragraph."""
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return f"\n\n{event.part.content}" if said else event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _shorter(messages: list[ModelMessage], limit: int) -> int:
    """Halve what is kept; 0 once there is nothing left to leave out."""
    return min(limit, history.tokens(messages)) // 2
