"""Turns entries into a tarball whose bytes depend on nothing but the entries.

Sorted by path; modes 0644 or 0755; user and group 0 without names; one fixed time; PAX
headers only where a path needs them; gzip without name or time. Each file is read once: it
is hashed for the manifest and compressed on the way to the sink.
"""

from __future__ import annotations

import hashlib
import posixpath
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO, RawIOBase
from typing import BinaryIO

from toolkit.blockgzip import BlockGzip
from toolkit.errors import BuildError
from toolkit.host.manifest import PATH as MANIFEST
from toolkit.host.manifest import File

# 1980-01-01, the oldest time that zip files know too; GNU tar warns of 1970.
DEFAULT_EPOCH = 315532800

_CHUNK = 1 << 18
_MOST_LINKS = 40
# A member's header (POSIX.1-1988, ustar): name, mode, uid, gid, size, time, checksum, kind,
# link, magic and version; the rest stays empty.
_USTAR = struct.Struct("100s8s8s8s12s12s8s1s100s8s247x")

Content = RawIOBase | BufferedIOBase


@dataclass(frozen=True)
class Entry:
    """A file to pack: `path` in the tarball, `mode` as in chmod, `size` in bytes.

    `open` gives its content from the beginning. A symbolic link has a `link` (its target)
    in place of content. `origin` says in errors where it came from.
    """

    path: str
    mode: int
    size: int
    open: Callable[[], Content]
    link: str = ""
    origin: str = ""


@dataclass(frozen=True)
class Archive:
    """A tarball that was written: its files, and its own SHA-256 and size in bytes."""

    files: tuple[File, ...]
    sha256: str
    size: int


def text_entry(path: str, text: str, mode: int = 0o644, *, origin: str = "") -> Entry:
    """Give an entry for a text, in UTF-8."""
    data = text.encode()
    return Entry(path, mode, len(data), lambda: BytesIO(data), origin=origin)


def build_archive(
    entries: Iterable[Entry],
    sink: BinaryIO,
    *,
    epoch: int,
    manifest: Callable[[Sequence[File]], str],
    advance: Callable[[int], object] = lambda _: None,
) -> Archive:
    """Write a .tar.gz of `entries` to `sink`, with manifest.json as its last member.

    `epoch` is the time of every member, in seconds since 1970; `manifest` gives the text of
    manifest.json for the files that were packed; `advance` is told of bytes as they go in.

    Raises BuildError for two entries of one path, a path or a link that leaves the tree,
    and a file whose size changed while it was packed.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    check_entries(ordered)
    output = _Output(sink)
    with BlockGzip(output.write) as gzip:
        tar = _Tar(gzip.write, epoch, advance)
        files = tuple(tar.add(entry) for entry in ordered)
        tar.add(text_entry(MANIFEST, manifest(files)))
        tar.close()
    return Archive(files, output.sha256.hexdigest(), output.size)


def check_entries(entries: Iterable[Entry]) -> None:
    """Raise BuildError where entries collide, or where one would lie or point outside."""
    seen: dict[str, Entry] = {}
    for entry in entries:
        _check_path(entry)
        if entry.path in seen or entry.path == MANIFEST:
            raise _collision(entry.path, seen.get(entry.path), entry)
        seen[entry.path] = entry
    links = {path: entry.link for path, entry in seen.items() if entry.link}
    for path, entry in seen.items():
        for parent in _parents(path):
            if parent in seen:
                raise _collision(parent, seen[parent], entry)
        if entry.link and not _stays_inside(path, links):
            raise BuildError(
                f"the link {path} -> {entry.link} leads out of the release",
                why="a host has nothing there",
                hint="leave it out with build.exclude, or put a copy in its place",
            )


def _check_path(entry: Entry) -> None:
    path = entry.path
    clean = posixpath.normpath(path)
    if path != clean or path.startswith(("/", "../")) or path in {".", ".."} or "\0" in path:
        raise BuildError(f"{path!r} is no path inside a release")
    try:
        (path + entry.link).encode()
    except UnicodeEncodeError as error:
        raise BuildError(
            f"the name {path!r} is not UTF-8", hint="rename the file, or leave it out"
        ) from error


def _collision(path: str, first: Entry | None, second: Entry) -> BuildError:
    origins = " and from ".join(
        origin or "toolkit" for origin in (first.origin if first else "", second.origin)
    )
    return BuildError(
        f"{path} would stand in the release twice",
        why=f"it comes from {origins}",
        hint="rename it, or leave it out with build.exclude",
    )


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count])


def _stays_inside(path: str, links: Mapping[str, str]) -> bool:
    """Follow the link at `path` as a kernel would, through other links of the release."""
    at: list[str] = []
    todo = path.split("/")[::-1]
    followed = 0
    while todo:
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not at:
                return False
            at.pop()
            continue
        target = links.get("/".join([*at, part]))
        if target is None:
            at.append(part)
            continue
        followed += 1
        if target.startswith("/") or followed > _MOST_LINKS:
            return False
        todo += target.split("/")[::-1]
    return True


class _Output:
    """Counts and hashes what goes to the sink."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._sink.write(data)
        self.sha256.update(data)
        self.size += len(data)


class _Tar:
    """Writes members; tarfile makes their headers."""

    def __init__(
        self,
        write: Callable[[bytes | memoryview], object],
        epoch: int,
        advance: Callable[[int], object],
    ) -> None:
        self._write = write
        self._epoch = epoch
        self._advance = advance
        self._folders: set[str] = set()
        self._size = 0
        self._chunk = memoryview(bytearray(_CHUNK))

    def add(self, entry: Entry) -> File:
        """Write the folders above `entry` that are not there yet, then the entry."""
        self._folder(entry.path.rpartition("/")[0])
        if entry.link:
            link = self._member(entry.path, 0o777, tarfile.SYMTYPE)
            link.linkname = entry.link
            self._put(_header(link))
            return File(entry.path, link.mode, 0, "", entry.link)
        file = self._member(entry.path, 0o755 if entry.mode & 0o111 else 0o644, tarfile.REGTYPE)
        file.size = entry.size
        self._put(_header(file))
        return File(entry.path, file.mode, entry.size, self._content(entry))

    def close(self) -> None:
        """Write the end of the tar, filled up to a record as GNU tar does."""
        self._put(bytes(2 * tarfile.BLOCKSIZE))
        self._put(bytes(-self._size % tarfile.RECORDSIZE))

    def _folder(self, path: str) -> None:
        if path and path not in self._folders:
            self._folder(path.rpartition("/")[0])
            self._folders.add(path)
            self._put(_header(self._member(path, 0o755, tarfile.DIRTYPE)))

    def _member(self, path: str, mode: int, kind: bytes) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path)
        info.mode, info.type, info.mtime = mode, kind, self._epoch
        return info

    def _content(self, entry: Entry) -> str:
        digest = hashlib.sha256()
        left = entry.size
        with entry.open() as source:
            while count := source.readinto(self._chunk):
                chunk = self._chunk[:count]
                digest.update(chunk)
                self._put(chunk)
                left -= count
                self._advance(count)
        if left:
            raise BuildError(
                f"{entry.path} changed while it was packed",
                why=f"it was to have {entry.size} bytes and had {entry.size - left}",
                hint="build again when nothing writes to the source",
            )
        self._put(bytes(-entry.size % tarfile.BLOCKSIZE))
        return digest.hexdigest()

    def _put(self, data: bytes | memoryview) -> None:
        self._write(data)
        self._size += len(data)


def _header(info: tarfile.TarInfo) -> bytes:
    """Give a member's header: the plain form here, where it fits, since that is much faster."""
    name = info.name.encode() + (b"/" if info.isdir() else b"")
    link = info.linkname.encode()
    plain = (info.name + info.linkname).isascii() and info.size < 8**11
    if not plain or max(len(name), len(link)) > 100:
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    owner = b"%07o" % 0
    size, time = b"%011o" % info.size, b"%011o" % int(info.mtime)
    fields = (name, b"%07o" % info.mode, owner, owner, size, time, b" " * 8, info.type, link)
    header = bytearray(_USTAR.pack(*fields, b"ustar\00000"))
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)
