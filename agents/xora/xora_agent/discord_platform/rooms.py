"""Where messages of Discord come from, and answers go to."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import discord

from xora_agent.discord_platform.faults import REQUEST_FAULTS, explain
from xora_agent.discord_platform.line import Line
from xora_agent.inflight import shown
from xora_agent.splitting import split

logger = logging.getLogger(__name__)

LIMIT = 2000  # https://discord.com/developers/docs/resources/message#create-message
TYPING_EVERY = 8.0  # Discord shows it for 10 seconds


@dataclass(frozen=True)
class ChannelRoom:
    """A channel, a thread, or a private chat."""

    line: Line
    channel: int

    @property
    def conversation(self) -> str:
        """Name it by its id; a thread has one of its own."""
        return f"discord:{self.channel}"

    async def say(self, text: str) -> None:
        """Send it; mentions in it ring for nobody."""
        for piece in split(text, LIMIT):
            await self.send(piece)

    async def send(self, piece: str) -> None:
        """Send one message. Raises PlatformError."""
        try:
            async with self.line.client() as client:
                await client.get_partial_messageable(self.channel).send(
                    piece, allowed_mentions=discord.AllowedMentions.none()
                )
        except REQUEST_FAULTS as fault:
            raise explain(fault) from fault

    def typing(self) -> AbstractAsyncContextManager[None]:
        """Show "is typing" in the channel."""
        return shown(self._show_typing, TYPING_EVERY)

    async def _show_typing(self) -> None:
        try:
            if self.line.live is not None:
                await self.line.live.get_partial_messageable(self.channel).typing()
        except REQUEST_FAULTS as fault:
            raise explain(fault) from fault


@dataclass
class CommandRoom:
    """A slash command: its first answer takes the place of "is thinking"."""

    interaction: discord.Interaction[Any]
    room: ChannelRoom
    _answered: bool = field(default=False, init=False)

    @property
    def conversation(self) -> str:
        """Name the channel that it was given in."""
        return self.room.conversation

    async def say(self, text: str) -> None:
        """Answer the command; what comes later, or too late for it, is an ordinary message."""
        for piece in split(text, LIMIT):
            if self._is_waited_for():
                await self._answer(piece)
            else:
                await self.room.send(piece)

    def _is_waited_for(self) -> bool:
        gone = self.room.line.live is None or self.interaction.is_expired()
        return not (self._answered or gone)

    async def _answer(self, piece: str) -> None:
        try:
            await self.interaction.edit_original_response(
                content=piece, allowed_mentions=discord.AllowedMentions.none()
            )
        except discord.NotFound:
            logger.info("Discord has forgotten the command; the answer is an ordinary message")
            await self.room.send(piece)
        except REQUEST_FAULTS as fault:
            raise explain(fault) from fault
        self._answered = True

    def typing(self) -> AbstractAsyncContextManager[None]:
        """Show nothing: Discord says that the bot is thinking."""
        return nullcontext()
