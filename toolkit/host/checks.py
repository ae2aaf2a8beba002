"""What one check of `agentctl doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `level` is ok, warn or fail.

    `what` says what was found, `why` what comes of it or where it comes from, `do` what to do.
    """

    name: str
    level: str
    what: str
    why: str = ""
    do: str = ""


def ok(name: str, what: str) -> Check:
    """Give a check that found nothing wrong."""
    return Check(name, OK, what)


def length(span: timedelta) -> str:
    """Give a length of time as people say it: 12 s, 3 min, 5 h, 2 days."""
    seconds = abs(span.total_seconds())
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: float) -> str:
    """Give bytes as people say them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return (
                f"{count:.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
            )
        count /= 1000
    return f"{count:.1f} TB"


def ago(moment: datetime, now: datetime) -> str:
    """Say how long ago `moment` was, or how far it is ahead."""
    return f"{length(now - moment)} ago" if moment <= now else f"in {length(moment - now)}"
