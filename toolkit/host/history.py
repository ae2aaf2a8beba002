"""What happened to a service on this host, in the order in which it happened: history.jsonl."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from toolkit.host.files import write_atomic
from toolkit.host.layout import Layout

# An upgrade a day for a year and more; the oldest go.
MOST = 500
# What a person said about versions to come; none of it is an attempt.
WISHES = ("followed", "unfollowed", "pinned", "unpinned", "paused", "resumed")


@dataclass(frozen=True)
class Event:
    """One thing that happened, and why, in one sentence.

    `what` is installed, changed, upgraded, reverted, rolled back, failed, not tried or
    uninstalled, or one of WISHES; `version` is the one that this was about and `before` the one
    that ran until then; `at` is when it ended, in ISO 8601 UTC.
    """

    at: str
    what: str
    version: str
    reason: str
    before: str | None = None


def note(layout: Layout, event: Event, since: str = "") -> None:
    """Add an event; an event that is the last one already, but for its time, is not added.

    An event of before `since`, in ISO 8601 UTC, is another one, though it reads the same.
    """
    events = read_history(layout)
    if events and _same(events[-1], event) and events[-1].at >= since:
        return
    lines = [json.dumps(asdict(known), sort_keys=True) for known in [*events, event][-MOST:]]
    write_atomic(layout.history, ("\n".join(lines) + "\n").encode(), 0o644)


def read_history(layout: Layout) -> list[Event]:
    """Give all events, the oldest first; a line that can't be read is left out."""
    try:
        lines = layout.history.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [event for line in lines if (event := _parsed(line)) is not None]


def _parsed(line: str) -> Event | None:
    try:
        return Event(**json.loads(line))
    except (ValueError, TypeError):
        return None  # of a newer agentctl, or cut off


def _same(one: Event, other: Event) -> bool:
    return (one.what, one.version, one.before, one.reason) == (
        other.what,
        other.version,
        other.before,
        other.reason,
    )
