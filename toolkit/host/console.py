"""How agentctl speaks to the person who called it."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import datetime, timezone

from toolkit.host.request import Say

MEGABYTE = 1_000_000


def clock() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(timezone.utc)


def now() -> str:
    """Give the time in ISO 8601 UTC, to the second."""
    return clock().isoformat(timespec="seconds")


def speaking(*, quiet: bool) -> Say:
    """Give what reports steps on standard output, or nowhere."""
    if quiet:
        return Say(lambda _: None, lambda _, __: None)
    steps = _Steps()
    return Say(steps.step, steps.bytes)


class _Steps:
    """Prints each step once, and how far a download is: in place on a terminal, else a line.

    That nobody reads it any more (a terminal that hung up, a pipe that was closed) stops no work.
    """

    def __init__(self) -> None:
        self._last = ""
        self._shown = 0.0

    def step(self, text: str) -> None:
        if text != self._last:
            self._last = text
            with suppress(OSError):
                print(f"[INFO] {text}", flush=True)

    def bytes(self, here: int, total: int | None) -> None:
        ended = here == total
        if time.monotonic() < self._shown + (0.2 if sys.stdout.isatty() else 5) and not ended:
            return
        self._shown = time.monotonic()
        of = f" of {total / MEGABYTE:.2f}" if total else ""
        end = "\n" if ended or not sys.stdout.isatty() else "\r"
        with suppress(OSError):
            print(f"[INFO] {here / MEGABYTE:.2f}{of} MB", end=end, flush=True)
