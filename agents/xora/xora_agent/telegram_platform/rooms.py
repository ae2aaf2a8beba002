"""Where messages of Telegram come from, and answers go to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

from telegram.constants import ChatAction, MessageLimit
from telegram.error import RetryAfter, TelegramError

from xora_agent.inflight import shown
from xora_agent.splitting import split
from xora_agent.telegram_platform.faults import explain, may_try_again, seconds
from xora_agent.telegram_platform.line import Line

logger = logging.getLogger(__name__)

LIMIT = int(MessageLimit.MAX_TEXT_LENGTH)
TYPING_EVERY = 4.0  # Telegram shows it for 5 seconds
_TRIES = 4  # of a message that surely did not arrive; what Telegram asks to wait for counts apart
_WAITS = 20

T = TypeVar("T")


@dataclass(frozen=True)
class TelegramRoom:
    """A group, a topic of a forum, or a private chat."""

    line: Line
    chat: int
    thread: int | None = None

    @property
    def conversation(self) -> str:
        """Name it by its ids."""
        return f"telegram:{self.chat}" + (f":{self.thread}" if self.thread is not None else "")

    async def say(self, text: str) -> None:
        """Send it as plain text: what looks like markup stays as it was written."""
        for piece in split(text, LIMIT):
            await patiently(lambda piece=piece: self._send(piece))  # type: ignore[misc]

    def typing(self) -> AbstractAsyncContextManager[None]:
        """Show "typing" in the chat."""
        return shown(self._show_typing, TYPING_EVERY)

    async def _send(self, text: str) -> None:
        async with self.line.bot() as bot:
            await bot.send_message(self.chat, text, message_thread_id=self.thread)

    async def _show_typing(self) -> None:
        try:
            async with self.line.bot() as bot:
                await bot.send_chat_action(
                    self.chat, ChatAction.TYPING, message_thread_id=self.thread
                )
        except TelegramError as fault:
            raise explain(fault) from None


async def patiently(request: Callable[[], Awaitable[T]]) -> T:
    """Make a request again where that is safe, and as late as Telegram asks. Raises PlatformError.

    "429 Too Many Requests" comes with `retry_after`
    (https://core.telegram.org/bots/api#responseparameters).
    """
    failures = waits = 0
    while True:
        try:
            return await request()
        except RetryAfter as fault:
            waits += 1
            if waits > _WAITS:
                raise explain(fault) from None
            logger.warning("Telegram wants %.0f s of silence: too many messages", seconds(fault))
            await asyncio.sleep(seconds(fault))
        except TelegramError as fault:
            failures += 1
            if failures >= _TRIES or not may_try_again(fault):
                raise explain(fault) from None
            logger.info("Telegram did not take a message; trying again: %s", fault.message)
            await asyncio.sleep(2.0 ** (failures - 1))
