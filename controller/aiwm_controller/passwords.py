"""bcrypt, away from the event loop and never more of it at once than there are cores."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import bcrypt

from aiwm_controller.errors import Unavailable

T = TypeVar("T")

ROUNDS = 10
LONGEST = 72  # bytes; bcrypt looks at no more
_WAITING = 200


@cache
def _nobody() -> bytes:
    return bcrypt.hashpw(secrets.token_bytes(16), bcrypt.gensalt(ROUNDS))


class Hasher:
    """Makes and compares hashes in threads; refuses when too many already wait."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="bcrypt")
        self._waiting = 0
        self._nobody = _nobody()  # now: the first who is nobody would wait for longer than others

    async def hash(self, secret: str) -> str:
        """Hash a secret of 72 bytes at most."""
        hashed = await self._run(bcrypt.hashpw, secret.encode(), bcrypt.gensalt(ROUNDS))
        return hashed.decode()

    async def matches(self, secret: str, hashed: str | None) -> bool:
        """Compare a secret with a hash; where there is none it takes as long and is false."""
        raw = secret.encode()
        if len(raw) > LONGEST:
            raw = hashlib.sha256(raw).digest()[:16]
            hashed = None
        known = hashed.encode() if hashed else self._nobody
        return await self._run(bcrypt.checkpw, raw, known) and hashed is not None

    async def _run(self, call: Callable[[bytes, bytes], T], first: bytes, second: bytes) -> T:
        if self._waiting >= _WAITING:
            raise Unavailable("too many secrets are being checked at once")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, call, first, second)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
