"""Shows the service's own log, wherever its process manager keeps it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from toolkit.host.accounts import Account, existing_account
from toolkit.host.commands import run
from toolkit.host.errors import CommandFailed, NotPermitted, UsageError
from toolkit.host.files import open_log
from toolkit.host.layout import Layout
from toolkit.host.release import SYSTEM_PATH
from toolkit.host.since import written_at
from toolkit.host.state import State

# PM2 puts the number that it gave the app before the suffix.
FILES = {"direct": ("agent.log",), "pm2": ("pm2-out*.log", "pm2-error*.log")}
JOURNALS = (Path("/var/log/journal"), Path("/run/log/journal"))
TICK = 0.3
WINDOW = 64 * 1024
# What would move the cursor or rename the window of whoever reads the log, colours among it.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Wanted:
    """Which part of a log: its last `lines`, those written `since`, and all that follow."""

    lines: int | None = None
    since: datetime | None = None
    follow: bool = False


def show(layout: Layout, state: State, wanted: Wanted, write: Callable[[str], None]) -> None:
    """Give the log's lines to `write`; the journal's go to standard output by themselves.

    With `follow` it ends by KeyboardInterrupt alone. Raises NotPermitted, UsageError where
    the log's lines have no times and `since` is wanted, NotOurs, CommandFailed.
    """
    if state.manager in FILES:
        _show_files(layout, state, wanted, write)
    else:
        _show_journal(layout, state, wanted)


def journal_command(state: State, *more: str) -> list[str]:
    """Give the argv that asks the journal for the service's lines."""
    own = "--user-unit" if "user" in state.manager else "--unit"
    return ["journalctl", own, f"{state.service}.service", "--no-pager", *more]


def log_files(layout: Layout, state: State) -> list[Path]:
    """Give the service's log files; none where the journal has its log."""
    found: list[Path] = []
    for name in FILES.get(state.manager, ()):
        found += sorted(layout.logs.glob(name)) or [layout.logs / name.replace("*", "")]
    return found


def _show_journal(layout: Layout, state: State, wanted: Wanted) -> None:
    _require_journal(layout, state)
    options = ["--output", "short-iso"]
    if wanted.lines is not None:
        options += ["--lines", str(wanted.lines)]
    if wanted.since is not None:
        options += [f"--since=@{wanted.since.timestamp():.0f}"]
    if wanted.follow:
        options += ["--follow"]
    argv = journal_command(state, "--quiet", *options)
    environment = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb")}
    environment |= {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=environment) as child:
        try:
            code = child.wait()
        except BaseException:
            child.terminate()
            raise
    if code > 0:
        raise CommandFailed(f"`{' '.join(argv)}` failed with exit code {code}")


def _require_journal(layout: Layout, state: State) -> None:
    """Raise NotPermitted where this user sees nothing of what there is."""
    files = [file for folder in JOURNALS for file in folder.glob("*/system.journal")]
    if not files or any(os.access(file, os.R_OK) for file in files):
        return
    # systemd lets users read what their own processes wrote, where the journal is kept on disk.
    if run(journal_command(state, "--quiet", "--lines=1", "--output=cat"), accept=(0, 1)):
        return
    raise NotPermitted(
        f"this user may not read the journal of {state.service}",
        hint=f"sudo {layout.agentctl} logs; or, for good: sudo usermod -aG systemd-journal "
        "$(id -un), then log in again",
    )


def _show_files(layout: Layout, state: State, wanted: Wanted, write: Callable[[str], None]) -> None:
    owner = existing_account(state.user)
    tails = [_Tail(path, owner) for path in log_files(layout, state)]
    try:
        for line in _chosen([tail.last(wanted) for tail in tails], wanted):
            write(printable(line))
        while wanted.follow:
            for tail in tails:
                for line in tail.new():
                    write(printable(line))
            time.sleep(TICK)
    except PermissionError as error:
        raise NotPermitted(
            f"this user may not read {error.filename}", hint=f"sudo {layout.agentctl} logs"
        ) from error


def printable(line: str) -> str:
    """Give a line that does nothing to a terminal; other control characters show as \\xNN."""
    plain = _COLOUR.sub("", line.rstrip("\r"))
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", plain)


def _chosen(files: Sequence[list[str]], wanted: Wanted) -> list[str]:
    """Merge the files' lines by their times, and cut at `since` and to the last `lines`."""
    stamped = [pair for lines in files for pair in _stamped(lines)]
    if wanted.since is not None and stamped and all(at is None for at, _ in stamped):
        raise UsageError(
            "this log's lines do not say when they were written, so there is no --since",
            hint="ask for its last lines instead: -n 200",
        )
    if len(files) > 1:
        stamped.sort(key=lambda pair: pair[0].timestamp() if pair[0] else 0.0)
    if wanted.since is not None:
        stamped = [(at, line) for at, line in stamped if at and at >= wanted.since]
    lines = [line for _, line in stamped]
    return lines if wanted.lines is None else lines[len(lines) - min(wanted.lines, len(lines)) :]


def _stamped(lines: Sequence[str]) -> Iterator[tuple[datetime | None, str]]:
    """Give each line with its time; one without has that of the line before it."""
    at = None
    for line in lines:
        at = written_at(line) or at
        yield at, line


class _Tail:
    """The end of a log file, and what is added to it, also after it was rotated or emptied."""

    def __init__(self, path: Path, owner: Account) -> None:
        self._path, self._owner = path, owner
        self._place: tuple[int, int] | None = None
        self._at = 0
        self._rest = b""

    def last(self, wanted: Wanted) -> list[str]:
        """Give at least the lines that are wanted, and be ready for `new`."""
        try:
            file = open_log(self._path, self._owner)
        except FileNotFoundError:
            return []
        with file:
            size = self._note(file)
            window = WINDOW
            while True:
                lines = self._read(file, max(0, size - window), size)
                if window >= size or _enough(lines, wanted):
                    return lines
                window *= 4

    def new(self) -> list[str]:
        """Give the whole lines that were written since."""
        try:
            file = open_log(self._path, self._owner)
        except FileNotFoundError:
            return []
        with file:
            before, at = self._place, self._at
            size = self._note(file)
            if self._place != before or size < at:
                at, self._rest = 0, b""
            file.seek(at)
            whole, _, self._rest = (self._rest + file.read(size - at)).rpartition(b"\n")
        return whole.decode("utf-8", "replace").split("\n") if whole else []

    def _note(self, file: BinaryIO) -> int:
        status = os.fstat(file.fileno())
        self._place, self._at = (status.st_dev, status.st_ino), status.st_size
        return status.st_size

    def _read(self, file: BinaryIO, start: int, end: int) -> list[str]:
        file.seek(start)
        data = file.read(end - start)
        if start:
            data = data.partition(b"\n")[2]
        return data.decode("utf-8", "replace").removesuffix("\n").split("\n") if data else []


def _enough(lines: Sequence[str], wanted: Wanted) -> bool:
    if wanted.since is not None:
        first = next(filter(None, map(written_at, lines)), None)
        return first is not None and first < wanted.since
    return wanted.lines is not None and len(lines) >= wanted.lines
