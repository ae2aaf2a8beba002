"""Heartbeats without end do not make a database without end."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiwm_controller import setup
from aiwm_controller.beat_plan import Beat
from aiwm_controller.beat_stores import store_of
from aiwm_controller.database import Database

from tests.support.aiwm import sqlite_settings
from tests.support.crowd import plant

HISTORY = 100
AGENTS = 20
# `make growth` sends a million.
COUNT = int(os.environ.get("HEARTBEATS", "20000"))


def test_heartbeats_without_end(tmp_path: Path) -> None:
    settings = sqlite_settings(tmp_path)
    asyncio.run(setup.init(settings, "owner@example.com", "One", None))
    file = tmp_path / "controller.db"
    agents = [agent for agent, _ in asyncio.run(plant(f"sqlite:///{file}", AGENTS))]
    full = AGENTS * HISTORY
    asyncio.run(send(Database(settings.database), agents, 0, full))
    size = weight(file)
    asyncio.run(send(Database(settings.database), agents, full, COUNT))
    assert weight(file) <= size * 1.1, "every slot is there: what comes takes the oldest one's"
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM heartbeats").fetchone() == (full,)
        assert database.execute("SELECT sum(beats) FROM presences").fetchone() == (COUNT,)
        newest = database.execute("SELECT max(version) FROM heartbeats").fetchone()
        assert newest == (f"1.0.{COUNT // AGENTS - 1:07}",)


async def send(database: Database, agents: list[str], first: int, end: int) -> None:
    store = store_of(database, HISTORY)
    begin = datetime(2026, 11, 21, tzinfo=UTC)
    for number in range(first, end, 500):
        now = begin + timedelta(seconds=number)
        batch = [beat(agents[n % AGENTS], n // AGENTS) for n in range(number, number + 500)]
        done = await store.write(batch, now)
        assert done.taken == 500
    await store.close()
    await database.close()


def beat(agent: str, number: int) -> Beat:
    metrics = '{"uptime":' + str(number) + "}"
    return Beat(agent, 0, "online", f"1.0.{number:07}", metrics, 1, None)


def weight(file: Path) -> int:
    """Give the bytes of a database that nobody has open."""
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file.stat().st_size
