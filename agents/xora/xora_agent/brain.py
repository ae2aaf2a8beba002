"""What the client asks of a brain, and what it tells it: the port between the two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from xora_agent.secret import Secret


@dataclass(frozen=True)
class McpServer:
    """A server of tools over HTTP; its headers carry the agent's token."""

    name: str
    url: str
    headers: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """Who answers: `base_url` is where its API is asked, else the provider's own.

    `key` is what the API wants; a deployment's proxy takes the agent's token in its place.
    """

    provider: str
    name: str
    base_url: str | None = None
    key: Secret | None = None


@dataclass(frozen=True)
class Mind:
    """All that a brain is configured with; a reload gives it a new one.

    `model` is None where nothing says one: the brain takes its default or says that it needs one.
    `allowed_tools` are names; nothing outside of them may be used. None stands for "not set".
    """

    instruction: str
    model: Model | None = None
    allowed_tools: tuple[str, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()
    max_turns: int = 100
    permission_mode: str = "bypassPermissions"
    resume: bool = True
    oauth_token: Secret | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None


@dataclass(frozen=True)
class Question:
    """What a person wrote. Questions of one `conversation` are asked one after the other."""

    conversation: str
    author: str
    text: str


class Brain(Protocol):
    """Answers questions, and remembers each conversation."""

    async def configure(self, mind: Mind) -> str | None:
        """Take a new mind without losing conversations.

        Gives a sentence for people where something that they should know changed, such as
        "Switching from anthropic/claude-3-5-haiku → openai/gpt-4-turbo". Raises SettingError where
        the mind can't be used; the one before then stays.
        """
        ...

    async def renew(self, servers: tuple[McpServer, ...], model: Model | None) -> None:
        """Take renewed tokens; calls under way end as they began."""
        ...

    def answer(self, question: Question) -> AsyncIterator[str]:
        """Give the answer in pieces as they come. Raises BrainError."""
        ...

    async def forget(self, conversation: str) -> None:
        """Begin this conversation anew."""
        ...

    async def save(self) -> None:
        """Write what a restart needs to go on with conversations."""
        ...

    async def close(self) -> None:
        """End all that it started. It may be called twice."""
        ...
