"""Looks all along for texts that nobody may see: command lines, and files that anybody may read."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.hosts import Host

_SWEEP = 0.02  # what lives shorter than that, and a sweep, may be missed
_FOLDERS = "/opt /tmp /var /home /root /etc /run /dev/shm"
# In brackets, so that the words of the search are not what it looks for.
_LOOK = (
    f"find {_FOLDERS} -xdev -type f -size -4000k -exec grep -lsaE '[{{first}}]{{rest}}' {{{{}}}} +"
    " 2>/dev/null; true"
)


@dataclass
class Sightings:
    """Looks for `marks`, words of two letters or more, on this machine and on `hosts`.

    Hosts are containers, so this machine sees each process of theirs. `folders` are those of this
    machine in which nothing that anybody may read may have a mark. `seen` says where one was;
    `words` are the first ones of all command lines, and `sweeps` how often all were read.
    """

    marks: Sequence[str]
    hosts: Sequence[Host] = ()
    folders: Sequence[Path] = ()
    seen: set[str] = field(default_factory=set)
    words: set[bytes] = field(default_factory=set)
    sweeps: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _faults: list[Exception] = field(default_factory=list)

    def __enter__(self) -> Sightings:
        for look in (self._commands, self._files):
            self._threads.append(threading.Thread(target=self._on, args=(look,), daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._faults:
            raise self._faults[0]

    def _on(self, look: Callable[[], None]) -> None:
        try:
            while not self._ended.is_set():
                look()
        except Exception as error:  # noqa: BLE001 - raised again at the end
            self._faults.append(error)

    def _commands(self) -> None:
        marks = [mark.encode() for mark in self.marks]
        for command in _command_lines():
            self.words.update(command.split(b"\0")[:6])
            if any(mark in command for mark in marks):
                self.seen.add(f"a command line: {command!r}")
        self.sweeps += 1
        time.sleep(_SWEEP)

    def _files(self) -> None:
        for host in self.hosts:
            if self._ended.wait(0.2):
                return
            for file in readable(host, self.marks):
                self.seen.add(f"{file}, which anybody on a host may read")
        for folder in self.folders:
            self.seen.update(f"{file}, which anybody here may read" for file in self._open(folder))
        self._ended.wait(0.2)

    def _open(self, folder: Path) -> Iterator[Path]:
        for file in folder.rglob("*"):
            try:
                mode = file.lstat().st_mode
                if stat.S_ISREG(mode) and mode & 0o044 and has(file.read_bytes(), self.marks):
                    yield file
            except OSError:  # it is gone again
                continue


def _command_lines() -> Iterator[bytes]:
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                yield (process / "cmdline").read_bytes()
            except OSError:  # it has ended meanwhile
                continue


def has(text: bytes | str, marks: Sequence[str]) -> bool:
    """Say whether one of the marks stands in a text."""
    data = text.encode() if isinstance(text, str) else text
    return any(mark.encode() in data for mark in marks)


def readable(host: Host, marks: Sequence[str], user: str = "visitor") -> list[str]:
    """Give the files of a host that have a mark and that the user may read."""
    found: list[str] = []
    for mark in marks:
        words = _LOOK.format(first=mark[0], rest=mark[1:])
        found += host.run(["sh", "-c", words], user=user).stdout.split()
    return sorted(set(found))
