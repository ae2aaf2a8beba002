"""What requests to Telegram go by."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telegram import Bot
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from xora_agent.log_redaction import Redaction
from xora_agent.platform import Access
from xora_agent.telegram_platform.faults import explain, refused

API = "https://api.telegram.org"
_TOKEN = re.compile(r"\d+:[\w-]+(/test)?", re.ASCII)  # what else it may be would change the address


class Line:
    """Holds the bot's connections while the platform is connected.

    A model may take longer for an answer than a reload for leaving Telegram: what is said after
    `close` goes by a connection of its own.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._open: Bot | None = None

    async def open(self) -> Bot:
        """Check the token. Raises PlatformError; `close` is wanted then, too."""
        if not _TOKEN.fullmatch(self._access.token.value):
            raise refused()
        self._open = bot = _make_bot(self._access)
        try:
            await bot.initialize()
        except TelegramError as fault:
            raise explain(fault) from None
        return bot

    async def close(self) -> None:
        """Close the connections. It may be called twice."""
        bot, self._open = self._open, None
        if bot is not None:
            await bot.shutdown()

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[Bot]:
        """Give what to send by. Raises TelegramError."""
        if self._open is not None:
            yield self._open
            return
        async with _make_bot(self._access) as bot:
            yield bot


def _make_bot(access: Access) -> Bot:
    Redaction(access.token, ("httpx", "httpcore", "telegram"), chatty=frozenset({"httpx"})).apply()
    url = (access.api_url or API).rstrip("/")
    return Bot(
        access.token.value,
        base_url=f"{url}/bot",
        base_file_url=f"{url}/file/bot",
        # A burst of answers waits for a free connection; the default gives up after a second.
        request=HTTPXRequest(connection_pool_size=16, pool_timeout=30.0, read_timeout=20.0),
        get_updates_request=HTTPXRequest(connection_pool_size=1, pool_timeout=30.0),
    )
