"""A small file that remembers what is under way, held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIMIT = 64 * 1024


class JournalFile:
    """The file while it is held. Without a descriptor, nothing is remembered."""

    def __init__(self, path: Path | None, descriptor: int | None) -> None:
        self._path = path
        self._descriptor = descriptor

    def read(self) -> bytes:
        """Give what an earlier run remembered; nothing where there was none."""
        return os.pread(self._descriptor, _LIMIT, 0) if self._descriptor is not None else b""

    def write(self, data: bytes) -> None:
        """Remember `data` in place of what was remembered."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # a full disk costs the going on, nothing else
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, data, 0)
                os.fsync(self._descriptor)

    def remove(self) -> None:
        """Forget all."""
        if self._descriptor is not None and self._path is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
                self._path.unlink(missing_ok=True)


@contextmanager
def hold(path: Path | None) -> Iterator[JournalFile]:
    """Hold the journal at `path` while the block runs; the end of the process lets it go too.

    Where another process holds it, or it can not be written, nothing is remembered: that costs
    the going on after a kill, and nothing else. An empty one is removed at the end.
    """
    descriptor = _locked(path) if path else None
    if descriptor is None:
        yield JournalFile(path, None)
        return
    journal = JournalFile(path, descriptor)
    try:
        yield journal
    finally:
        if not journal.read():
            journal.remove()
        os.close(descriptor)


def _locked(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
