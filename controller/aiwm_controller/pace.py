"""Tells agents when to send their next heartbeat, so that they never come all at once."""

from __future__ import annotations

import time
from collections.abc import Callable

_FEW = 8  # heartbeats in one second that nobody needs to spread


class Pace:
    """Counts what is due in each of the coming seconds, and fills the less busy ones.

    Agents that all come at once, such as after a restart, are told half the usual time to the
    whole of it, and are spread from then on. Otherwise the answer is the usual time.
    """

    def __init__(self, seconds: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._soonest = max(1, seconds // 2)
        self._clock = clock
        self._due = [0] * (seconds + 1)
        self._total = 0
        self._now = int(clock())

    def next(self) -> int:
        """Give the seconds until an agent's next heartbeat, and count on it."""
        now = int(self._clock())
        if now != self._now:
            self._pass(now)
        size = len(self._due)
        allowed = max(_FEW, self._total * 5 // (self._seconds * 4))
        seconds = self._seconds
        if self._due[(now + seconds) % size] >= allowed:
            seconds = self._least_busy(now)
        self._due[(now + seconds) % size] += 1
        self._total += 1
        return seconds

    def _least_busy(self, now: int) -> int:
        """Give the latest of the seconds to choose from in which the least is due."""
        first, last = (now + self._soonest) % len(self._due), (now + self._seconds) % len(self._due)
        due = self._due
        choice = due[first : last + 1] if first <= last else due[first:] + due[: last + 1]
        choice.reverse()
        return self._seconds - choice.index(min(choice))

    def _pass(self, now: int) -> None:
        """Forget what was due in the seconds that are over."""
        size = len(self._due)
        for second in range(max(self._now, now - size), now):
            self._total -= self._due[second % size]
            self._due[second % size] = 0
        self._now = now
