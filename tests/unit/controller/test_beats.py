"""The writer of heartbeats outlives whatever goes wrong with one batch."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiwm_controller.beat_plan import Beat, Known, plan
from aiwm_controller.beat_process import BeatFile
from aiwm_controller.beats import BeatWriter, Written
from aiwm_controller.errors import Unavailable
from aiwm_controller.logs import Meters

BEAT = Beat("a1", 0, "online", "1.0", None, None, None)


class Failing:
    """A store whose first batch fails."""

    def __init__(self, error: Exception) -> None:
        self.errors = [error]

    async def write(self, batch: Sequence[Beat], now: datetime) -> Written:
        if self.errors:
            raise self.errors.pop()
        made = plan(batch, {"a1": Known(0, "active", 7, False, 0)}, 10)
        return Written(made.answers, made.taken)

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("error", [OSError("gone"), KeyError("a fault of ours")])
def test_the_next_batch_is_written(error: Exception) -> None:
    async def story() -> int:
        writer = BeatWriter(Failing(error), lambda: datetime.now(UTC), Meters())
        writer.start()
        with pytest.raises(Unavailable):
            await writer.record(BEAT)
        version = await asyncio.wait_for(writer.record(BEAT), 10)
        await writer.stop()
        return version

    assert asyncio.run(story()) == 7


def test_a_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "its name? has #signs.db"
    writer = BeatFile(str(file), 10)
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        writer.write([BEAT], datetime.now(UTC))
    assert not file.exists()
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE agents (id)")
    with pytest.raises(sqlite3.OperationalError, match="no such table: presences"):
        writer.write([BEAT], datetime.now(UTC))
