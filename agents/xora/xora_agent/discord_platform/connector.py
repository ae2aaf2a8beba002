"""Leads discord.py to another address than Discord's own.

The library keeps Discord's addresses in globals, and its webhooks in one more. All that it does
goes through one aiohttp connector, though, which it takes as an argument: there each request gets
its new address, so two connections in one process can lead to two places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from discord.http import Route
from yarl import URL

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_REST = URL(Route.BASE)
_GATEWAY = "gateway.discord.gg"


class Rerouted(aiohttp.TCPConnector):
    """Connects to `rest` in place of https://discord.com/api/v10.

    `gateway` is what `GET /gateway/bot` there says; until it is set, the gateway is Discord's.
    """

    def __init__(self, rest: str) -> None:
        super().__init__(limit=0)
        self._rest = URL(rest.rstrip("/"))
        self.gateway: URL | None = None

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> Connection:
        """Change where the request goes, then connect as ever."""
        req.url = self.rerouted(req.url)
        return await super().connect(req, traces, timeout)

    def rerouted(self, url: URL) -> URL:
        """Give the new address."""
        if url.host == _GATEWAY and self.gateway is not None:
            return self.gateway.with_query(url.query)
        if url.host == _REST.host and url.raw_path.startswith(f"{_REST.raw_path}/"):
            path = self._rest.raw_path.rstrip("/") + url.raw_path.removeprefix(_REST.raw_path)
            return self._rest.with_path(path, encoded=True).with_query(url.query)
        return url
