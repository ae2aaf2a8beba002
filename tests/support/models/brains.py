"""Telling stories about the multi-provider brain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from xora_agent.brain import Brain, McpServer, Mind, Model, Question
from xora_agent.multi_provider.brain import MultiProvider
from xora_agent.multi_provider.patience import Patience
from xora_agent.secret import Secret

from tests.support.models.mcp_server import ToolServer
from tests.support.models.server import ModelServer

KEY = "sk-a-key-that-nobody-may-see"
TOKEN = "Bearer the-agent-s-token"
PROVIDERS = ("anthropic", "openai", "groq", "google", "local")
SWIFT = Patience(tries=3, first_wait=0.01, longest_wait=2, silence=20.0)


def model(server: ModelServer, provider: str = "openai", name: str = "gpt-4-turbo") -> Model:
    return Model(provider, name, base_url=f"{server.url}/v1", key=Secret(KEY))


def mind(chosen: Model | None, *allowed: str, **settings: Any) -> Mind:
    return Mind(instruction="You are terse.", model=chosen, allowed_tools=allowed, **settings)


def served(tools: ToolServer, token: str = TOKEN, name: str = "cbm-tools") -> McpServer:
    return McpServer(name, tools.url, {"Authorization": Secret(token)})


async def ask(brain: Brain, text: str, conversation: str = "discord:1") -> list[str]:
    return [piece async for piece in brain.answer(Question(conversation, "ann", text))]


def run(
    state: Path, story: Callable[[MultiProvider], Awaitable[None]], patience: Patience = SWIFT
) -> None:
    """Tell a story about a brain, and close it in the end."""

    async def told() -> None:
        brain = MultiProvider(state, patience)
        try:
            await asyncio.wait_for(story(brain), 60)
        finally:
            await brain.close()
            await brain.close()

    asyncio.run(told())
