"""Brains and platforms are other people's libraries: what they raise ends no part of the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from xora_agent.errors import BrainError, XoraError
from xora_agent.logs import log

T = TypeVar("T")

_CANCELS = 5


async def guarded(awaited: Awaitable[T], what: str) -> T:
    """Await; any error that is none of ours is logged whole and raised as a BrainError."""
    try:
        return await awaited
    except XoraError:
        raise
    except Exception as error:
        log.exception("an unexpected error", doing=what)
        raise BrainError(
            f"an unexpected error: {type(error).__name__}", hint="the log has all of it"
        ) from error


async def bounded(awaited: Awaitable[object], seconds: float, what: str) -> None:
    """Await something on the way out, for so long at most; a fault is logged and passed over."""
    try:
        await within(guarded(awaited, what), max(0.1, seconds))
    except asyncio.TimeoutError:
        log.warning("it took too long and was left", doing=what)
    except XoraError as error:
        log.warning("it failed", doing=what, error=error.message, why=error.why)


async def within(awaited: Awaitable[T], seconds: float) -> T:
    """Await for so long at most; raises asyncio.TimeoutError.

    asyncio.wait_for loses a cancellation that comes as the awaited ends, up to Python 3.11
    (https://github.com/python/cpython/issues/86296): what should end then never does.
    """
    task: asyncio.Future[T] = asyncio.ensure_future(awaited)
    try:
        await asyncio.wait({task}, timeout=max(0, seconds))
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()
    finally:
        task.cancel()


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks, and again where a library of theirs loses it; errors were logged before."""
    left = {task for task in tasks if task is not None and not task.done()}
    for _ in range(_CANCELS):
        if not left:
            return
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)
    log.error("tasks do not end", tasks=[task.get_name() for task in left])
