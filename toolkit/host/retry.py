"""How long to wait before a store is asked again: never all hosts for the same time."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from email.message import Message
from email.utils import parsedate_to_datetime

# Who must wait for longer does not wait for it in a process that holds the service's lock.
PATIENCE = 60.0
# No store can keep hosts away for longer than this by one answer.
LONGEST = 6 * 3600.0
_SAY_WHEN = (429, 503)


def asked_to_wait(status: int, headers: Message) -> float:
    """Give the seconds that an answer asks to wait for; 0 where it does not (RFC 9110, 10.2.3)."""
    text = headers["Retry-After"]
    if status not in _SAY_WHEN or text is None:
        return 0.0
    try:
        seconds = float(int(text))
    except ValueError:
        seconds = _until(text)
    return min(max(seconds, 0.0), LONGEST)


def _until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return 0.0
    at = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (at - datetime.now(timezone.utc)).total_seconds()


def spread(pause: float, asked: float = 0.0) -> float:
    """Give seconds to wait: `pause` or half as much more or less, after what was `asked` for."""
    return asked + pause * random.uniform(0.5, 1.5)  # noqa: S311 - not for secrets
