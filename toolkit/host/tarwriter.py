"""Writes the tar of a release: the same bytes for the same files, wherever it is written.

`toolkit release` writes it from a source tree. `agentctl` writes it again from an installed
release, so that a delta against it can be applied without the old tarball.
"""

from __future__ import annotations

import hashlib
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase, RawIOBase

# 1980-01-01, the oldest time that zip files know too; GNU tar warns of 1970.
DEFAULT_EPOCH = 315532800

_CHUNK = 1 << 18
# A member's header (POSIX.1-1988, ustar): name, mode, uid, gid, size, time, checksum, kind,
# link, magic and version; the rest stays empty.
_USTAR = struct.Struct("100s8s8s8s12s12s8s1s100s8s247x")

Content = RawIOBase | BufferedIOBase
Seen = Callable[[memoryview], object]
Write = Callable[["bytes | memoryview"], object]


@dataclass(frozen=True)
class Digest:
    """What tells bytes apart: their number, and their SHA-256 in hex digits."""

    size: int
    sha256: str


class Hashing:
    """Hands bytes on to `write`, and hashes them; `size` is how many there were."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._write(data)
        self._sha256.update(data)
        self.size += len(data)

    def digest(self) -> Digest:
        """Give the digest of all bytes so far."""
        return Digest(self.size, self._sha256.hexdigest())


class TarWriter:
    """Writes members to `write`, each with the folders above it; tarfile makes the headers.

    User and group are 0 without names, `epoch` (seconds since 1970) is the time of all; PAX
    headers stand only where a path needs them. The caller gives paths sorted.
    """

    def __init__(self, write: Write, epoch: int) -> None:
        self._write = write
        self._epoch = epoch
        self._folders: set[str] = set()
        self._size = 0
        self._chunk = memoryview(bytearray(_CHUNK))

    def link(self, path: str, target: str) -> None:
        """Write a symbolic link."""
        self._folder(path.rpartition("/")[0])
        info = self._member(path, 0o777, tarfile.SYMTYPE)
        info.linkname = target
        self._put(_header(info))

    def file(self, path: str, mode: int, size: int, source: Content, seen: Seen) -> int:
        """Write a file of `size` bytes; each chunk is shown to `seen`.

        Gives the bytes that `source` lacked, below 0 where it had more: then the tar is of
        no use.
        """
        self._folder(path.rpartition("/")[0])
        info = self._member(path, mode, tarfile.REGTYPE)
        info.size = size
        self._put(_header(info))
        left = size
        while count := source.readinto(self._chunk):
            chunk = self._chunk[:count]
            seen(chunk)
            self._put(chunk)
            left -= count
        self._put(bytes(-size % tarfile.BLOCKSIZE))
        return left

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
