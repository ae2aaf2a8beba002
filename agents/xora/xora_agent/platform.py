"""What the client asks of Discord and Telegram: the port between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from xora_agent.secret import Secret


@dataclass(frozen=True)
class Access:
    """One platform's settings. No allowed channel or group means that none is answered."""

    token: Secret
    allowed: frozenset[str] = field(default_factory=frozenset)
    own_name: str = ""
    api_url: str | None = None


class Room(Protocol):
    """Where a message came from, and answers go to."""

    @property
    def conversation(self) -> str:
        """Name it for good, such as "discord:1234"."""
        ...

    async def say(self, text: str) -> None:
        """Send a text of any length, in as many messages as the platform needs."""
        ...

    def typing(self) -> AbstractAsyncContextManager[None]:
        """Show that an answer is being written, as long as this is held."""
        ...


# Takes a message from somebody in an allowed room: the room, who wrote, and what.
Receive = Callable[[Room, str, str], Awaitable[None]]


class Platform(Protocol):
    """A connection to one platform."""

    name: str

    @property
    def trouble(self) -> str:
        """Say why no message comes though it was connected; empty while they do."""
        ...

    async def start(self, receive: Receive) -> None:
        """Connect, and return once messages arrive. Raises PlatformError."""
        ...

    async def stop(self) -> None:
        """Say goodbye, and close. It may be called twice."""
        ...
