"""Brains and platforms are other people's libraries: what they raise ends no part of the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from xora_agent.errors import BrainError, XoraError
from xora_agent.logs import log

T = TypeVar("T")


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
        await asyncio.wait_for(guarded(awaited, what), max(0.1, seconds))
    except asyncio.TimeoutError:
        log.warning("it took too long and was left", doing=what)
    except XoraError as error:
        log.warning("it failed", doing=what, error=error.message, why=error.why)
