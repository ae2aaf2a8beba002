"""Keeps heartbeats in SQLite or PostgreSQL: a batch is a transaction of a few statements.

They bypass SQLAlchemy, which takes ten times as long for a row. Its tables are what they name.
"""

from __future__ import annotations

import asyncio
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiwm_controller import database as databases
from aiwm_controller.beat_plan import Beat, Known, Plan, plan
from aiwm_controller.beat_process import LENGTH
from aiwm_controller.beats import Store, Written
from aiwm_controller.database import Database

# Another worker may hold heartbeats of the same agents: it would count the same slots.
_POSTGRESQL_KNOWN = """
SELECT a.id, a.secret_generation, a.status, a.config_version, a.deleted_at IS NOT NULL, p.beats,
  p.last_connected_at IS NULL AND p.last_disconnected_at IS NOT NULL
FROM agents AS a JOIN presences AS p ON p.agent_id = a.id
WHERE a.id = ANY($1::text[]) ORDER BY a.id FOR UPDATE OF p
"""
_POSTGRESQL_HISTORY = """
INSERT INTO heartbeats (at, agent_id, slot, status, version, metrics)
SELECT $1, agent, slot, status, version, metrics::json
FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[])
  AS given (agent, slot, status, version, metrics)
ON CONFLICT (agent_id, slot) DO UPDATE SET
  at = excluded.at, status = excluded.status, version = excluded.version, metrics = excluded.metrics
"""
_POSTGRESQL_PRESENCES = """
UPDATE presences AS p SET
  last_heartbeat_at = $1, beats = given.beats, reported = given.status,
  version = coalesce(given.version, p.version),
  metrics = coalesce(given.metrics::json, p.metrics),
  config_seen = coalesce(given.seen, p.config_seen),
  upgrade = coalesce(given.upgrade::json, p.upgrade)
FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::int[], $8::text[])
  AS given (agent, beats, status, version, metrics, seen, upgrade)
WHERE p.agent_id = given.agent
"""
# In the order of all that change several agents, so that none waits for another that waits for it.
_POSTGRESQL_AGENTS = """
SELECT id FROM agents WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE
"""
_POSTGRESQL_STATUSES = """
UPDATE agents AS a SET status = given.status FROM unnest($1::text[], $2::text[])
  AS given (agent, status)
WHERE a.id = given.agent AND a.status <> 'suspended'
"""


def store_of(database: Database, history: int) -> Store:
    """Give the store of a database that keeps the last `history` heartbeats of each agent."""
    return (SqliteBeats if database.is_sqlite else PostgresBeats)(database, history)


class SqliteBeats:
    """Has a process of its own write; one that has ended is started again for the next batch."""

    def __init__(self, database: Database, history: int) -> None:
        self._database = database
        self._history = history
        self._process: subprocess.Popen[bytes] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def write(self, batch: Sequence[Beat], now: datetime) -> Written:
        """Write a batch; raises sqlite3.Error, or OSError where the process ended meanwhile."""
        said = pickle.dumps(([*map(tuple, batch)], now))  # plain tuples take half the time
        async with self._database.turn:
            try:
                done = await self._exchange(len(said).to_bytes(LENGTH, "big") + said)
            except BaseException as error:
                if self._process is not None and isinstance(error, asyncio.CancelledError):
                    self._process.kill()  # told to end at once: it may wait long for the file
                await self.close()  # an answer may still come, which nobody expects
                raise
        if isinstance(done, str):
            raise sqlite3.OperationalError(done)
        return Written(*done)

    async def _exchange(self, said: bytes) -> Any:
        if self._process is not None and self._process.poll() is not None:
            await self.close()  # it ended while nothing was asked of it
        reader, writer = self._streams or await self._start()
        writer.write(said)
        try:
            length = await reader.readexactly(LENGTH)
            answer = await reader.readexactly(int.from_bytes(length, "big"))
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the process that writes heartbeats ended") from error
        return pickle.loads(answer)  # noqa: S301 - of a process that this one started

    async def _start(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "aiwm_controller.beat_process"]
        command += [self._database.file, str(self._history)]
        # A signal to all of a service must not end it before it is there to ignore it.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        self._streams = await asyncio.open_unix_connection(sock=ours)
        return self._streams

    async def close(self) -> None:
        """End the process, which finishes what it is at."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
            self._process = None


class PostgresBeats:
    """Writes many rows by one statement, through the pool's connections."""

    def __init__(self, database: Database, history: int) -> None:
        self._database = database
        self._history = history

    async def write(self, batch: Sequence[Beat], now: datetime) -> Written:
        """Write a batch; raises an error of asyncpg's, of SQLAlchemy's, or OSError."""
        async with self._database.engine.connect() as pooled:
            connection: Any = (await pooled.get_raw_connection()).driver_connection
            # A database that is silent does not take back what was begun either: it is left.
            patience = asyncio.get_running_loop().call_later(
                databases.SECONDS, connection.terminate
            )
            try:
                async with connection.transaction():
                    made = await self._written(connection, batch, now)
            finally:
                patience.cancel()
        return Written(made.answers, made.taken)

    async def _written(self, connection: Any, batch: Sequence[Beat], now: datetime) -> Plan:
        ids = sorted({beat.agent_id for beat in batch})
        rows = await connection.fetch(_POSTGRESQL_KNOWN, ids)
        made = plan(batch, {row[0]: Known(*row[1:]) for row in rows}, self._history)
        if made.taken:
            await self._store(connection, made, now)
        return made

    async def _store(self, connection: Any, made: Plan, now: datetime) -> None:
        await connection.execute(_POSTGRESQL_HISTORY, now, *_columns(made.history))
        await connection.execute(_POSTGRESQL_PRESENCES, now, *_columns(made.presences))
        if made.statuses:
            columns = _columns(made.statuses)
            await connection.execute(_POSTGRESQL_AGENTS, columns[0])
            await connection.execute(_POSTGRESQL_STATUSES, *columns)

    async def close(self) -> None:
        """Do nothing: the connections are the pool's."""


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
