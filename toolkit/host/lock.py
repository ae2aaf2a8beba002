"""Keeps two agentctl from working on one service at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.host.errors import Busy, NotPermitted


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the service's folder; the kernel lets go when this process ends, however it ends.

    Raises Busy where another agentctl holds it.
    """
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError as error:
        raise NotPermitted(
            f"{folder} can't be used by this user", hint="run the command with sudo"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Busy(
            f"another agentctl works in {folder}", hint="wait until it has ended, then try again"
        ) from error
    finally:
        os.close(descriptor)
