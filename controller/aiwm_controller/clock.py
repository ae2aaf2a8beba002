"""Points in time: always UTC, always with their zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Give the time now; everything else takes a clock as an argument."""
    return datetime.now(UTC)


def text_of(moment: datetime | None) -> str | None:
    """Write a moment as ISO 8601 in UTC, with milliseconds and a Z, as JavaScript does."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return utc.removesuffix("+00:00") + "Z"
