"""Takes heartbeats: many in one transaction, each acknowledged only once that is committed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from aiwm_controller.beat_plan import Beat
from aiwm_controller.clock import Clock
from aiwm_controller.errors import Fault, Unavailable
from aiwm_controller.logs import Meters, log

_MOST = 500
_WAITING = 20_000
_SLOW = 5.0  # seconds after which a database that fails counts as silent
_BROKEN = (
    *(SQLAlchemyError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError),
    *(OSError, TimeoutError),
)


class Written(NamedTuple):
    """What became of a batch: an answer to each heartbeat, and how many are stored."""

    answers: list[int | Fault]
    taken: int


class Store(Protocol):
    """Where heartbeats are kept."""

    async def write(self, batch: Sequence[Beat], now: datetime) -> Written:
        """Write a batch in one transaction; once this returns, it outlives a power cut."""

    async def close(self) -> None:
        """Let go of what is held open."""


Stored = Callable[[int | Fault], None]  # with the agent's config version, or why it is not stored
_Waiting = tuple[Beat, Stored]


class BeatWriter:
    """Takes heartbeats from many requests and writes them together."""

    def __init__(self, store: Store, clock: Clock, meters: Meters) -> None:
        self._store = store
        self._clock = clock
        self._meters = meters
        self._log = log.bind()  # the module's makes a new one for each line
        self._waiting: list[_Waiting] = []
        self._come = asyncio.Event()
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._ending = True
        self._come.set()
        if self._task is not None:
            await self._task
        await self._store.close()

    def submit(self, beat: Beat, stored: Stored) -> None:
        """Have a heartbeat stored, and `stored` called once it is on the disk.

        Raises Unavailable where too many wait.
        """
        if len(self._waiting) >= _WAITING or self._ending:
            raise Unavailable("too many heartbeats wait to be stored")
        self._waiting.append((beat, stored))
        self._come.set()

    async def record(self, beat: Beat) -> int:
        """Store a heartbeat; gives the agent's config version once it is on the disk."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def stored(found: int | Fault) -> None:
            if future.done():  # whoever asked is gone
                return
            if isinstance(found, Fault):
                future.set_exception(found)
            else:
                future.set_result(found)

        self.submit(beat, stored)
        return await future

    async def _run(self) -> None:
        while True:
            await self._come.wait()
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            if batch:
                await self._take(batch)
            elif self._ending:
                return
            if not self._waiting and not self._ending:
                self._come.clear()

    async def _take(self, batch: Sequence[_Waiting]) -> None:
        begin = time.monotonic()
        try:
            done = await self._store.write([beat for beat, _ in batch], self._clock())
        except _BROKEN as error:
            log.error("heartbeats were not stored", count=len(batch), fault=repr(error)[:300])
            if time.monotonic() - begin > _SLOW:  # whoever waits behind would wait as long again
                batch, self._waiting = [*batch, *self._waiting], []
            self._answer(batch, [Unavailable("the database does not answer")] * len(batch))
        except Exception:  # noqa: BLE001 - without a writer, no later heartbeat would be answered
            log.exception("heartbeats were not stored", count=len(batch))
            self._answer(batch, [Unavailable("heartbeats can't be stored")] * len(batch))
        else:
            self._meters.heartbeats.inc(done.taken)
            self._meters.batch.observe(len(batch))
            self._answer(batch, done.answers)

    def _answer(self, batch: Sequence[_Waiting], answers: Sequence[int | Fault]) -> None:
        for (beat, stored), answer in zip(batch, answers, strict=True):
            if not isinstance(answer, Fault):
                self._log.debug(
                    "heartbeat", agent=beat.agent_id, status=beat.status, metrics=beat.metrics
                )
            try:
                stored(answer)
            except Exception:  # noqa: BLE001 - the others wait for their answers
                log.exception("a heartbeat was not answered", agent=beat.agent_id)
