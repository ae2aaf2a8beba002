"""What requests to Discord go by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord

from xora_agent.discord_platform.connector import Rerouted
from xora_agent.platform import Access


class Line:
    """Knows the client while the platform is connected.

    A model may take longer for an answer than a reload for leaving Discord: what is said after
    that goes by a connection of its own.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.live: discord.Client | None = None

    def connector(self) -> aiohttp.TCPConnector:
        """Make what connects to Discord, or to what stands for it."""
        url = self._access.api_url
        return Rerouted(url) if url else aiohttp.TCPConnector(limit=0)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[discord.Client]:
        """Give what to send by. Raises what the library raises."""
        if self.live is not None:
            yield self.live
            return
        connector = self.connector()
        client = discord.Client(intents=discord.Intents.none(), connector=connector)
        try:
            await client.login(self._access.token.value)
            yield client
        finally:
            await client.close()
            await connector.close()
