"""Tells whether a connection has been away for longer than a library needs to mend it."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 30.0  # seconds; a break that is shorter than that is nothing to tell of


class Outage:
    """Knows since when nothing comes over a connection, and why."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._why = ""
        self._lasts = False

    def begin(self, why: str, *, lasts: bool = False) -> None:
        """Note that it is away; one that `lasts` is told of at once."""
        if self._since is None:
            self._since = self._clock()
        self._why, self._lasts = why, lasts

    def end(self) -> None:
        """Note that it is there."""
        self._since, self._why, self._lasts = None, "", False

    @property
    def trouble(self) -> str:
        """Say why nothing comes; empty while something may."""
        if self._since is None:
            return ""
        return self._why if self._lasts or self._clock() - self._since >= PATIENCE else ""
