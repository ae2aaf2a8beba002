"""An aiohttp application on a free port of loopback."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Give its address, such as http://127.0.0.1:40123."""
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something holds; fail when it does not."""
    end = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < end, "it did not come about"
        await asyncio.sleep(0.01)


@dataclass
class Faults:
    """What goes wrong with the next requests of a kind: statuses, or None for no answer at all."""

    planned: dict[str, list[int | None]] = field(default_factory=lambda: defaultdict(list))
    retry_after: float = 1

    def plan(self, kind: str, *statuses: int | None) -> None:
        self.planned[kind].extend(statuses)

    async def next(self, kind: str) -> int | None:
        """Give the status to fail with, or None."""
        if not self.planned[kind]:
            return None
        status = self.planned[kind].pop(0)
        if status is None:
            await asyncio.sleep(3600)
        return status
