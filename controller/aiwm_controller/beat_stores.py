"""Keeps heartbeats in SQLite or PostgreSQL: a batch is a transaction of a few statements.

They bypass SQLAlchemy, which takes ten times as long for a row. Its tables are what they name.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any

from aiwm_controller import database as databases
from aiwm_controller.beats import Beat, Known, Plan, Store, plan
from aiwm_controller.database import Database, prepare_sqlite

Row = tuple[Any, ...]

# The thread that writes gives the interpreter up for each row that SQLite gives or takes by itself,
# and waits each time to have it back. So rows come as one value, and go many to a statement.
_SQLITE_KNOWN = """
SELECT json_group_array(json_array(
  a.id, a.secret_generation, a.status, a.config_version, a.deleted_at IS NOT NULL, p.beats,
  p.last_connected_at IS NULL AND p.last_disconnected_at IS NOT NULL
))
FROM json_each(?) AS asked
JOIN agents AS a ON a.id = asked.value JOIN presences AS p ON p.agent_id = a.id
"""
_SQLITE_HISTORY = """
INSERT INTO heartbeats (at, agent_id, slot, status, version, metrics) VALUES {rows}
ON CONFLICT (agent_id, slot) DO UPDATE SET
  at = excluded.at, status = excluded.status, version = excluded.version, metrics = excluded.metrics
"""
_SQLITE_PRESENCES = """
WITH given (at, agent, beats, status, version, metrics, seen, upgrade) AS (VALUES {rows})
UPDATE presences SET
  last_heartbeat_at = given.at, beats = given.beats, reported = given.status,
  version = coalesce(given.version, presences.version),
  metrics = coalesce(given.metrics, presences.metrics),
  config_seen = coalesce(given.seen, presences.config_seen),
  upgrade = coalesce(given.upgrade, presences.upgrade)
FROM given WHERE agent_id = given.agent
"""
_SQLITE_STATUSES = "UPDATE agents SET status = ?2 WHERE id = ?1 AND status <> 'suspended'"
_SQLITE_ROWS = 128

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
    """Writes through a connection of its own, in a thread of its own."""

    def __init__(self, database: Database, history: int) -> None:
        self._database = database
        self._history = history
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="heartbeats")
        self._connection: sqlite3.Connection | None = None

    async def write(self, batch: Sequence[Beat], now: datetime) -> Plan:
        """Write a batch; raises sqlite3.Error."""
        loop = asyncio.get_running_loop()
        async with self._database.turn:
            return await loop.run_in_executor(self._thread, self._write, batch, now)

    def close(self) -> None:
        """Close the connection, and end the thread."""
        self._thread.submit(self._drop)
        self._thread.shutdown()

    def _write(self, batch: Sequence[Beat], now: datetime) -> Plan:
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._database.file, timeout=30)
                prepare_sqlite(self._connection)
            return self._written(self._connection, batch, now)
        except BaseException:
            self._drop()  # which also takes back what was begun
            raise

    def _written(
        self, connection: sqlite3.Connection, batch: Sequence[Beat], now: datetime
    ) -> Plan:
        connection.execute("BEGIN IMMEDIATE")
        ids = json.dumps(sorted({beat.agent_id for beat in batch}))
        ((found,),) = connection.execute(_SQLITE_KNOWN, (ids,))
        known = {row[0]: Known(*row[1:]) for row in json.loads(found)}
        made = plan(batch, known, self._history)
        at = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")  # as SQLAlchemy writes it
        _put(connection, _SQLITE_HISTORY, at, made.history)
        _put(connection, _SQLITE_PRESENCES, at, made.presences)
        connection.executemany(_SQLITE_STATUSES, made.statuses)
        connection.execute("COMMIT")
        return made

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _put(connection: sqlite3.Connection, statement: str, at: str, rows: Sequence[Row]) -> None:
    """Write rows by 128, 64, 32 and so on: a few statements, which the driver keeps prepared."""
    begin = 0
    while begin < len(rows):
        count = min(_SQLITE_ROWS, 1 << (len(rows) - begin).bit_length() - 1)
        piece = rows[begin : begin + count]
        prepared = _for_rows(statement, count, len(piece[0]))
        connection.execute(prepared, (at, *chain.from_iterable(piece)))
        begin += count


@cache
def _for_rows(statement: str, rows: int, columns: int) -> str:
    """Give a statement for so many rows, each of the time, which all share, and its own columns."""
    row = f"(?1{', ?' * columns})"
    return statement.format(rows=", ".join([row] * rows))


class PostgresBeats:
    """Writes many rows by one statement, through the pool's connections."""

    def __init__(self, database: Database, history: int) -> None:
        self._database = database
        self._history = history

    async def write(self, batch: Sequence[Beat], now: datetime) -> Plan:
        """Write a batch; raises an error of asyncpg's, of SQLAlchemy's, or OSError."""
        async with self._database.engine.connect() as pooled:
            connection: Any = (await pooled.get_raw_connection()).driver_connection
            # A database that is silent does not take back what was begun either: it is left.
            patience = asyncio.get_running_loop().call_later(
                databases.SECONDS, connection.terminate
            )
            try:
                async with connection.transaction():
                    return await self._written(connection, batch, now)
            finally:
                patience.cancel()

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

    def close(self) -> None:
        """Do nothing: the connections are the pool's."""


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
