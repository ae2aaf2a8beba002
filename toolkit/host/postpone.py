"""How long a host waits, with nobody there, before a version is tried again.

Each trial is an interruption of the service. What ends one by no fault of the version (a host that
restarts each night, a manager that does not answer) may end the next one as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from toolkit.host.clock import parse_time

FIRST = timedelta(minutes=30)
LONGEST = timedelta(hours=24)


def postponed(
    before: Mapping[str, Any] | None, sha256: str, version: str, reason: str, at: str
) -> dict[str, Any]:
    """Give what is noted after a trial of `version` that ended at `at`, in ISO 8601.

    `before` is what was noted last: the wait doubles with each trial of the same bytes.
    """
    known = before or {}
    times = int(known.get("times", 0)) + 1 if known.get("sha256") == sha256 else 1
    wait = min(FIRST * 2 ** min(times - 1, 16), LONGEST)
    until = (parse_time(at) + wait).isoformat(timespec="seconds")
    return {"sha256": sha256, "version": version, "times": times, "until": until, "reason": reason}
