"""A process that writes heartbeats into SQLite: `python -m aiwm_controller.beat_process`.

A thread would take the interpreter from the thread that answers, and give it back, several times
for each batch. It imports little, so that it needs little memory. Whoever starts it holds the other
end of its standard input; once that is closed, it ends.
"""

from __future__ import annotations

import gc
import json
import pickle
import signal
import socket
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any
from urllib.parse import quote

from aiwm_controller.beat_plan import Beat, Known, Plan, plan
from aiwm_controller.sqlite_pragmas import prepare_sqlite

Row = tuple[Any, ...]

LENGTH = 8  # bytes before each message, which say how many follow

# Rows go many to a statement: the driver takes long for each by itself.
_SQLITE_KNOWN = """
SELECT a.id, a.secret_generation, a.status, a.config_version, a.deleted_at IS NOT NULL, p.beats,
  p.last_connected_at IS NULL AND p.last_disconnected_at IS NOT NULL
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


class BeatFile:
    """Writes batches into a file that keeps the last `history` heartbeats of each agent."""

    def __init__(self, file: str, history: int) -> None:
        self._file = file
        self._history = history
        self._connection: sqlite3.Connection | None = None

    def write(self, batch: Sequence[Beat], now: datetime) -> Plan:
        """Write a batch; raises sqlite3.Error."""
        try:
            if self._connection is None:
                address = f"file:{quote(self._file)}?mode=rw"  # it makes no file, where one is gone
                self._connection = sqlite3.connect(address, timeout=30, uri=True)
                prepare_sqlite(self._connection)
            return self._written(self._connection, batch, now)
        except BaseException:
            self.close()  # which also takes back what was begun
            raise

    def _written(
        self, connection: sqlite3.Connection, batch: Sequence[Beat], now: datetime
    ) -> Plan:
        connection.execute("BEGIN IMMEDIATE")
        ids = json.dumps(sorted({beat.agent_id for beat in batch}))
        rows = connection.execute(_SQLITE_KNOWN, (ids,))
        known = {row[0]: Known(*row[1:]) for row in rows}
        made = plan(batch, known, self._history)
        at = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")  # as SQLAlchemy writes it
        _put(connection, _SQLITE_HISTORY, at, made.history)
        _put(connection, _SQLITE_PRESENCES, at, made.presences)
        connection.executemany(_SQLITE_STATUSES, made.statuses)
        connection.execute("COMMIT")
        return made

    def close(self) -> None:
        """Let go of the file."""
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


def serve(connection: socket.socket, file: BeatFile) -> None:
    """Write each batch that comes, and say what became of it, until there is no more."""
    asked = connection.makefile("rwb")
    while length := asked.read(LENGTH):
        said = asked.read(size := int.from_bytes(length, "big"))
        if len(said) < size:
            return  # who asked is gone
        rows, now = pickle.loads(said)  # noqa: S301 - of who started this
        done: object
        try:
            made = file.write(list(map(Beat._make, rows)), now)
            done = made.answers, made.taken
        except sqlite3.Error as error:
            done = f"{type(error).__name__}: {error}"
        said = pickle.dumps(done)
        asked.write(len(said).to_bytes(LENGTH, "big") + said)
        asked.flush()


def main() -> None:
    """Write into the file that the arguments name."""
    for number in (signal.SIGINT, signal.SIGTERM):  # its parent finishes first, and then closes
        signal.signal(number, signal.SIG_IGN)
    gc.freeze()
    file = BeatFile(sys.argv[1], int(sys.argv[2]))
    # Whoever asked may be gone before the answer: a batch is stored or not, as after a power cut.
    with socket.socket(fileno=0) as connection, suppress(ConnectionError):
        serve(connection, file)
    file.close()


if __name__ == "__main__":
    main()
