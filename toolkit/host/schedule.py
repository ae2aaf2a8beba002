"""When a host looks for a new version by itself: how often, and in which hours of the week."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from toolkit.host.errors import UsageError

MINUTE, HOUR, DAY = 60, 3600, 86_400
_UNITS = {"s": 1, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_SPAN = re.compile(r"(\d{1,6})\s*(s|min|m|h|d|w)")
# What systemd can say as a calendar, so that every host has a place of its own in each round.
_EVERY = tuple(n * MINUTE for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)) + tuple(
    n * HOUR for n in (1, 2, 3, 4, 6, 8, 12, 24)
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(
    r"(?:(?P<days>[A-Za-z.,]+)\s+)?(?P<start>\d\d?):(?P<start_min>\d\d)"
    r"-(?P<end>\d\d?):(?P<end_min>\d\d)"
)
_LONGEST = DAY // MINUTE


@dataclass(frozen=True)
class Window:
    """Hours in which a version may be changed, in local time.

    `days` are those on which it opens, Monday is 0; `start` is minutes after midnight, and
    `minutes` how long it stays open, past midnight too.
    """

    days: tuple[int, ...]
    start: int
    minutes: int

    def holds(self, now: datetime) -> bool:
        """Say whether it is open at `now`, which is read as a clock on the wall shows it."""
        wall = now.replace(tzinfo=None)
        midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
        for day in (midnight, midnight - timedelta(days=1)):
            opens = day + timedelta(minutes=self.start)
            if day.weekday() in self.days and opens <= wall < opens + self._length:
                return True
        return False

    @property
    def _length(self) -> timedelta:
        return timedelta(minutes=self.minutes)


def parse_span(text: str) -> int:
    """Read `30s`, `15m`, `2h`, `1d` or `1w`; gives seconds. Raises UsageError."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no length of time", hint="say 30s, 15m, 2h or 1d")
    return int(match[1]) * _UNITS[match[2]]


def parse_every(text: str) -> int:
    """Read how often; gives seconds. Raises UsageError for what no calendar can say."""
    every = parse_span(text)
    if every not in _EVERY:
        known = ", ".join(spoken(each) for each in _EVERY)
        raise UsageError(f"it can't be done every {text}", hint=f"take one of: {known}")
    return every


def spoken(seconds: float) -> str:
    """Give a length of time as people write it: `15 min`, `2 h`."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit:g} {name}"
    return f"{seconds:g} s"


def calendar(every: int) -> str:
    """Give what systemd.time(7) calls a calendar event, for a length that `parse_every` gave."""
    if every < HOUR:
        return f"*-*-* *:00/{every // MINUTE}:00"
    if every < DAY:
        return f"*-*-* 00/{every // HOUR}:00:00"
    return "*-*-* 00:00:00"


def parse_window(text: str) -> Window:
    """Read `22:00-04:00`, `Mon..Fri 22:00-04:00` or `Sat,Sun 00:00-24:00`. Raises UsageError."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise _no_window(text)
    start = _minutes(text, match["start"], match["start_min"])
    end = _minutes(text, match["end"], match["end_min"])
    if start in (_LONGEST, end):
        raise _no_window(text)
    days = _days(text, match["days"]) if match["days"] else tuple(range(len(_DAYS)))
    return Window(days, start, end - start if end > start else end - start + _LONGEST)


def _minutes(text: str, hours: str, minutes: str) -> int:
    found = int(hours) * 60 + int(minutes)
    if int(minutes) >= 60 or found > _LONGEST:
        raise _no_window(text)
    return found


def _days(text: str, days: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in days.split(","):
        first, _, last = part.partition("..")
        one, other = _day(text, first), _day(text, last or first)
        found |= {(one + n) % 7 for n in range((other - one) % 7 + 1)}
    return tuple(sorted(found))


def _day(text: str, day: str) -> int:
    if day.capitalize() not in _DAYS:
        raise _no_window(text)
    return _DAYS.index(day.capitalize())


def _no_window(text: str) -> UsageError:
    return UsageError(
        f"{text!r} is no maintenance window",
        hint="say it as 'Mon..Fri 22:00-04:00', 'Sat,Sun 00:00-24:00' or '02:00-05:00'",
    )


def is_open(windows: Iterable[str], now: datetime) -> bool:
    """Say whether one of `windows` is open at the local time `now`; without any, always."""
    known = [parse_window(each) for each in windows]
    return not known or any(each.holds(now) for each in known)
