"""How each connection to SQLite is set up."""

from __future__ import annotations

from typing import Any


def prepare_sqlite(connection: Any) -> None:
    """Set a new connection up: what it commits outlives a power cut."""
    connection.isolation_level = None  # the driver begins nothing by itself: see _begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # what was acknowledged outlives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA journal_size_limit=67108864")  # else the WAL keeps its largest size
    cursor.close()
