"""Keeps two agentctl from working on one service at once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.host.errors import Busy, NotPermitted, UsageError
from toolkit.host.layout import Layout

PATIENCE = 5.0


@contextmanager
def locked(layout: Layout, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the service's lock; the kernel lets go when this process ends, however it ends.

    The file is for its owner alone: whoever may read a file may lock it, and block the others.
    Raises Busy where another agentctl holds it for longer than `patience` seconds.
    """
    try:
        layout.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except PermissionError as error:
        raise NotPermitted(
            f"{layout.home} can't be used by this user", hint="run the command with sudo"
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(
            f"{layout.home} is no folder", hint="name another one with --home"
        ) from error
    try:
        _take(descriptor, layout, patience)
        yield
    finally:
        os.close(descriptor)


def is_held(layout: Layout) -> bool:
    """Say whether an agentctl works on the service now, as far as this user may know."""
    try:
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(descriptor: int, layout: Layout, patience: float) -> None:
    # systemd has agentctl note how a trial ended, which takes a moment.
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise Busy(
                f"another agentctl works in {layout.home}",
                hint="wait until it has ended, then try again",
            ) from error
        return
