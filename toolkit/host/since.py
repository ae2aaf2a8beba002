"""Times in logs: when to begin, and when a line was written."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from toolkit.host.errors import UsageError

_AGO = re.compile(r"(\d{1,6})\s*(s|m|min|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STAMP = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d)(?:[.,]\d+)?"
    r" ?(?:(?P<utc>Z)|(?P<hours>[+-]\d\d):?(?P<minutes>\d\d))?"
)
# A line says when it was written near its beginning, if it does.
_NEAR = 200


def parse_since(text: str, now: datetime) -> datetime:
    """Read `10m`, `2h`, `3d` (before `now`), or a day or a time in ISO 8601, in local time.

    Raises UsageError.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text.strip())).astimezone()
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time", hint="use 30s, 10m, 2h or 3d, or a time: 2026-01-31T23:59"
        ) from error


def written_at(line: str) -> datetime | None:
    """Give when a line of a log says that it was written; local time where it names no zone."""
    match = _STAMP.search(line[:_NEAR])
    if match is None:
        return None
    zone = "+00:00" if match["utc"] else f"{match['hours']}:{match['minutes']}"
    zone = zone if match["utc"] or match["hours"] else ""
    try:
        return datetime.fromisoformat(f"{match['day']}T{match['time']}{zone}").astimezone()
    except (ValueError, OverflowError):
        return None
