"""Work that goes on beside what began it, and ends with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from xora_agent.errors import PlatformError

logger = logging.getLogger(__name__)


class Inflight:
    """Tasks that nobody awaits: each begins in the order of the calls; what fails is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Awaitable[None], what: str) -> None:
        """Start it, and go on at once."""
        task = asyncio.ensure_future(work)
        task.set_name(what)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    async def cancel(self) -> None:
        """End all, save who calls."""
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        fault = task.exception()
        if isinstance(fault, PlatformError):
            logger.error("%s: %s: %s", task.get_name(), fault, fault.why)
        elif fault is not None:
            logger.error("%s failed", task.get_name(), exc_info=fault)


@asynccontextmanager
async def shown(show: Callable[[], Awaitable[None]], every: float) -> AsyncIterator[None]:
    """Call `show` now and every so many seconds, as long as this is held.

    What it shows is a courtesy: where it fails, that is logged, and nothing else suffers.
    """
    task = asyncio.create_task(_repeat(show, every), name="show typing")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _repeat(show: Callable[[], Awaitable[None]], every: float) -> None:
    while True:
        try:
            await show()
        except PlatformError as fault:
            logger.info("typing is not shown: %s", fault.why or fault)
        await asyncio.sleep(every)
