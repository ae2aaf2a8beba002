"""Sees to it that one agent alone works in a folder: conversations are kept in files of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xora_agent.errors import FileError


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold `folder` while the block runs; raises FileError where another agent does.

    The kernel lets go of it where the agent is killed; programs that it starts do not hold it.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileError(f"{folder} can't be read", why=error.strerror or "") from error
    try:
        _hold(handle, folder)
        yield
    finally:
        os.close(handle)


def _hold(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileError(
            "another agent runs in this folder",
            why=f"it holds {folder}",
            hint="end that one, or start this one in a folder of its own",
        ) from error
    except OSError as error:
        raise FileError(
            f"{folder} can't be held",
            why=error.strerror or "",
            hint="start the agent in a folder of a file system that knows locks",
        ) from error
