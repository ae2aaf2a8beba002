"""The ledgers of rollouts: one file each, of JSON lines, to which is only ever added.

They stand below XDG_STATE_HOME (by default ~/.local/state), in aiwm-toolkit/rollouts: they are the
operator's own account of what they did, so they belong neither to the project, which others
publish, nor to a cache, which anybody may empty. Each line is on the disk before what it speaks of
is begun. So after a power cut or a kill nothing is under way that the ledger does not name; what
was begun and has no end there is asked of its host.

One process drives a rollout at a time: it holds a lock on the file, which goes with the process.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from toolkit.errors import LedgerError, NotFoundError
from toolkit.rollout_events import Event, Planned, from_json, to_json

SCHEMA = 1
SUFFIX = ".jsonl"
_PATIENCE = 1.0  # whoever asks whether a ledger is held holds it for an instant
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Entry:
    """An event, and when it was noted, in ISO 8601 UTC."""

    at: str
    event: Event


def default_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Give where ledgers stand: XDG Base Directory Specification, $XDG_STATE_HOME."""
    said = environ.get("XDG_STATE_HOME", "")
    base = Path(said) if said.startswith("/") else home / ".local" / "state"
    return base / "aiwm-toolkit" / "rollouts"


class Ledger:
    """The ledger of one rollout, held by this process; made by `create` and `hold`."""

    def __init__(self, path: Path, file: IO[bytes], clock: Callable[[], str]) -> None:
        self.path = path
        self._file = file
        self._clock = clock

    def append(self, event: Event) -> Entry:
        """Add an event; when this returns it is on the disk.

        Raises LedgerError where it can't be written: then what it speaks of must not be begun.
        """
        entry = Entry(self._clock(), event)
        line = json.dumps({"schema": SCHEMA, "at": entry.at, **to_json(event)}) + "\n"
        try:
            self._file.write(line.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise LedgerError(
                f"the ledger {self.path} can't be written",
                why=error.strerror or str(error),
                hint="make room; then: toolkit fleet resume " + self.path.stem,
            ) from error
        return entry


@contextmanager
def create(folder: Path, planned: Planned, clock: Callable[[], str]) -> Iterator[Ledger]:
    """Begin the ledger of a new rollout, with its plan; it is held as long as the block lasts.

    Raises LedgerError where one of that id is there, or the folder can't be written.
    """
    path = folder / f"{planned.id}{SUFFIX}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("xb")
    except OSError as error:
        raise LedgerError(
            f"the ledger {path} can't be made",
            why=error.strerror or str(error),
            hint="name another folder with --ledger",
        ) from error
    with file:
        _lock(file, path)
        ledger = Ledger(path, file, clock)
        ledger.append(planned)
        _sync_folder(folder)
        yield ledger


@contextmanager
def hold(folder: Path, rollout: str, clock: Callable[[], str]) -> Iterator[Ledger]:
    """Take the ledger of a rollout up again; it is held as long as the block lasts.

    Raises NotFoundError where there is none, LedgerError where another process drives it.
    """
    path = _path(folder, rollout)
    with path.open("r+b") as file:
        _lock(file, path)
        _mend(file)
        yield Ledger(path, file, clock)


def read(folder: Path, rollout: str) -> list[Entry]:
    """Give all events of a rollout, its plan first; a torn last line is left out.

    Raises NotFoundError where there is none, LedgerError where it is damaged.
    """
    path = _path(folder, rollout)
    entries = [entry for entry in _entries(path) if entry is not None]
    if not entries or not isinstance(entries[0].event, Planned):
        raise LedgerError(
            f"the ledger {path} is damaged",
            why="it does not begin with a plan",
            hint="begin a new rollout: hosts that have the version already are not touched",
        )
    return entries


def rollouts(folder: Path) -> list[str]:
    """Give the ids of all rollouts whose ledgers are here, the oldest first."""
    paths = [path for path in folder.glob(f"*{SUFFIX}") if _ID.fullmatch(path.stem)]
    return [path.stem for path in sorted(paths, key=lambda path: (path.stat().st_ctime, path.stem))]


def is_held(folder: Path, rollout: str) -> bool:
    """Say whether a process drives this rollout now."""
    with _path(folder, rollout).open("rb") as file:
        try:
            # A shared lock, and for an instant: who drives a rollout must not be kept from it.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return True
            raise
        return False


def _path(folder: Path, rollout: str) -> Path:
    path = folder / f"{rollout}{SUFFIX}"
    if not _ID.fullmatch(rollout) or not path.is_file():
        known = rollouts(folder) if folder.is_dir() else []
        raise NotFoundError(
            f"there is no rollout {rollout!r}",
            why=f"{folder} has {', '.join(known[-5:]) or 'none'}",
            hint="list them with: toolkit fleet rollouts",
        )
    return path


def _lock(file: IO[bytes], path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                raise LedgerError(
                    f"the rollout {path.stem} is being driven by another process",
                    why=f"{path} is locked",
                    hint="wait until it has ended, or end it with Ctrl-C where it runs",
                ) from error
            time.sleep(0.05)


def _mend(file: IO[bytes]) -> None:
    """Cut off a last line that was not written whole: what it spoke of was not begun."""
    data = file.read()
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        file.truncate(whole)
    file.seek(whole)


def _entries(path: Path) -> Iterator[Entry | None]:
    data = path.read_bytes()
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            yield _entry(json.loads(line), path)
        except ValueError as error:
            raise LedgerError(
                f"the ledger {path} is damaged",
                why=f"line {number}: {error}",
                hint="begin a new rollout: hosts that have the version already are not touched",
            ) from error


def _entry(data: Any, path: Path) -> Entry | None:
    if not isinstance(data, dict):
        raise ValueError("it is no object")
    if data.get("schema") != SCHEMA:
        raise LedgerError(
            f"the ledger {path} has format {data.get('schema')}",
            why=f"this toolkit reads {SCHEMA}",
            hint="use the toolkit that wrote it",
        )
    event = from_json(data)
    return None if event is None else Entry(str(data.get("at", "")), event)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
