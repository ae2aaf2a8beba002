"""Where published files live: the port that all stores share, and a folder as a store."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from toolkit.errors import ConflictError, StoreError
from toolkit.uploads import Absent, Precondition, Unchanged, Upload

CHUNK = 1024 * 1024
Sent = Callable[[int], None]


@dataclass(frozen=True)
class Stored:
    """A file in a store: its length in bytes, and its bytes, to be read once.

    `etag` changes with the bytes; `Unchanged` takes it.
    """

    size: int
    chunks: Iterator[bytes]
    etag: str


@dataclass(frozen=True)
class Entry:
    """What is known of a file without its bytes: its length in bytes, its ETag, and the
    SHA-256 that stands beside it; None where its publisher wrote none."""

    size: int
    etag: str
    sha256: str | None


@dataclass(frozen=True)
class Receipt:
    """What a store gave for a file whose SHA-256 it was told: the ETag of what it received.

    `shown` asks it what stands there now, for many receipts at once. It gives the names of the
    files that are there as they were received; of the others nothing is known.
    """

    upload: Upload
    etag: str
    shown: Callable[[Sequence[Receipt]], frozenset[str]]


class Store(Protocol):
    """Holds files by name. Every method raises StoreError where the store does not do its part."""

    def locate(self, name: str) -> str:
        """Say to a person where the file `name` stands."""

    def read(self, name: str) -> AbstractContextManager[Stored | None]:
        """Open the file `name`; None where there is none."""

    def look(self, name: str) -> Entry | None:
        """Give what is known of the file `name` without its bytes; None where there is none."""

    def write(self, upload: Upload, sent: Sent) -> Receipt | None:
        """Store one file, whole or not at all; `sent` is told of each piece, in bytes.

        Gives a receipt by which the store can show what it holds; None where only reading tells.

        Raises ConflictError where `upload.only_if` does not hold.
        """

    def delete(self, name: str) -> None:
        """Remove the file `name`; nothing where there is none."""

    def names(self, prefix: str = "") -> frozenset[str]:
        """Give the names of all files that start with `prefix`, those in folders too.

        A store's own files, whose names start with a dot, are left out.
        """


class DirectoryStore:
    """A folder. A reader sees a file's old bytes or its new ones, never a part of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Give the file's path."""
        return self._folder / name

    def locate(self, name: str) -> str:
        """Give the file's path as text."""
        return str(self.path(name))

    def names(self, prefix: str = "") -> frozenset[str]:
        """Give the names of all files that start with `prefix`; none without the folder."""
        with _faults("read", self._folder):
            found = (
                path.relative_to(self._folder).as_posix()
                for path in self._folder.rglob("*")
                if path.is_file()
            )
            return frozenset(name for name in found if name.startswith(prefix) and not hidden(name))

    @contextmanager
    def read(self, name: str) -> Iterator[Stored | None]:
        """Open the file `name`."""
        path = self.path(name)
        with _faults("read", path):
            file = path.open("rb") if path.exists() else None
        if file is None:
            yield None
            return
        with file:
            with _faults("read", path):
                etag = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                size = os.fstat(file.fileno()).st_size
            yield Stored(size, _read(file, path), etag)

    def look(self, name: str) -> Entry | None:
        """Give length and SHA-256 of the file `name`, read from its bytes."""
        with self.read(name) as stored:
            return None if stored is None else Entry(stored.size, stored.etag, stored.etag)

    def write(self, upload: Upload, sent: Sent) -> None:
        """Write the file under another name, to the disk, and then rename it."""
        path = self.path(upload.name)
        with _faults("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _part(path) as part:
                with part.open("wb") as file:
                    for chunk in pieces(upload.body):
                        file.write(chunk)
                        sent(len(chunk))
                    file.flush()
                    os.fsync(file.fileno())
                self._put(part, upload)
            _flush_folder(path.parent)

    def delete(self, name: str) -> None:
        """Remove the file `name`, and a folder below the store's that is empty then."""
        path = self.path(name)
        with _faults("delete", path):
            path.unlink(missing_ok=True)
            folder = path.parent
            if folder != self._folder and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _put(self, part: Path, upload: Upload) -> None:
        """Give the written file its name, where the precondition holds."""
        path = self.path(upload.name)
        match upload.only_if:
            case None:
                part.replace(path)
            case Absent():
                # A link, since a rename would replace what somebody else has just put there.
                try:
                    path.hardlink_to(part)
                except FileExistsError as error:
                    raise conflict(str(path), upload.only_if) from error
            case Unchanged(etag):
                with _locked(path.parent):
                    if self._etag(path) != etag:
                        raise conflict(str(path), upload.only_if)
                    part.replace(path)

    def _etag(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None


def hidden(name: str) -> bool:
    """Tell whether `name` is a store's own: something unfinished, or a mark between publishers."""
    return any(part.startswith(".") for part in name.split("/"))


def conflict(place: str, only_if: Precondition) -> ConflictError:
    """Give the error for a precondition that does not hold at `place`."""
    if isinstance(only_if, Absent):
        happened = "was there already"
    else:
        happened = "is not the one that was read before"
    return ConflictError(
        f"{place} {happened}, so it was not written",
        why="another publisher was there first",
        hint="run the same command again: it starts from what is there now",
    )


def pieces(body: Path | bytes) -> Iterator[bytes]:
    """Give the bytes of `body` in pieces of at most CHUNK bytes."""
    if isinstance(body, bytes):
        yield body
        return
    with body.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _read(file: BinaryIO, path: Path) -> Iterator[bytes]:
    while True:
        with _faults("read", path):
            chunk = file.read(CHUNK)
        if not chunk:
            return
        yield chunk


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    """Give a file beside `path`, readable by all; it is gone at the end, or renamed."""
    descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    part = Path(name)
    try:
        os.fchmod(descriptor, 0o644)
        os.close(descriptor)
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes of this machine from comparing and replacing at the same time."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Bring the rename itself to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _faults(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            hint = "free some room there, then run the same command again"
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            hint = "let this user write there, or set another path in toolkit.toml"
        else:
            hint = "look at the disk and at the path in toolkit.toml, then run it again"
        raise StoreError(
            f"could not {verb} {path}", why=error.strerror or str(error), hint=hint
        ) from error
