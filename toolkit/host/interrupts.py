"""Holds off those who interrupt while a version is brought back: half back is worse than late."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held_off() -> Iterator[None]:
    """Pass over SIGINT, SIGTERM and SIGHUP; only children that are started meanwhile get them."""
    # A function, not SIG_IGN: that one would be inherited by what is started.
    before = {number: signal.signal(number, _pass) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hang_up_held_off() -> Iterator[None]:
    """Pass over SIGHUP: that a connection was lost, says nothing of the version on trial."""
    before = signal.signal(signal.SIGHUP, _pass)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _pass(number: int, frame: object) -> None:
    del number, frame
