"""What a publication sends: which files, in which order, with which headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from toolkit.artifact import Artifact, checksum_file, checksum_line

_TYPES = {
    ".tar.gz": "application/gzip",
    ".tar.zst": "application/zstd",
    ".json": "application/json",
    ".sha256": "text/plain; charset=utf-8",
}
_OTHER_TYPE = "application/octet-stream"
_FOREVER = "public, max-age=31536000, immutable"
# A cache may keep it, but asks each time whether it is still the newest.
_ASK_EACH_TIME = "no-cache"


@dataclass(frozen=True)
class Absent:
    """Write only where no file of that name is there."""


@dataclass(frozen=True)
class Unchanged:
    """Write only where the file there still is the one that was read with this `etag`."""

    etag: str


Precondition = Absent | Unchanged


@dataclass(frozen=True)
class Upload:
    """One file to send: its name, its bytes or where they stand, and their length and SHA-256.

    What is `immutable` may never get other bytes under the same name. It is written only where
    `only_if` holds. `same_as` names a file that the store has by then, with the same bytes.
    Where `first_stays`, the one that is there is kept: the same tarball can be built from another
    commit, and its provenance tells of the build that was published.
    """

    name: str
    body: Path | bytes
    size: int
    sha256: str
    immutable: bool
    only_if: Precondition | None = None
    same_as: str | None = None
    first_stays: bool = False

    @property
    def precondition(self) -> str | None:
        """What must hold for a write, in the words of HTTP; None where anything may be there."""
        match self.only_if:
            case Absent():
                return "If-None-Match: *"
            case Unchanged(etag):
                return f"If-Match: {etag}"
        return None

    @property
    def content_type(self) -> str:
        """The Content-Type that the store serves it with."""
        types = (kind for suffix, kind in _TYPES.items() if self.name.endswith(suffix))
        return next(types, _OTHER_TYPE)

    @property
    def cache_control(self) -> str:
        """The Cache-Control that the store serves it with."""
        return _FOREVER if self.immutable else _ASK_EACH_TIME


@dataclass(frozen=True)
class Tarball:
    """A built tarball whose bytes were compared with its checksum.

    `is_latest` says that its `latest` twin has the same bytes; `companions` are the files of the
    same version that go up with it.
    """

    artifact: Artifact
    path: Path
    size: int
    sha256: str
    is_latest: bool
    companions: tuple[Upload, ...] = ()


def plan(extra: Iterable[tuple[str, bytes]], tarballs: Iterable[Tarball]) -> tuple[Upload, ...]:
    """Give the files in the order in which they must go up.

    What `latest` stands for comes before `latest`, and a tarball before its checksum, so that
    a reader never finds a name for something that is not there yet.
    """
    tarballs = tuple(tarballs)
    newest = [tarball for tarball in tarballs if tarball.is_latest]
    return (
        *(of_bytes(name, data, immutable=True) for name, data in extra),
        *(file for tarball in tarballs for file in _pair(tarball, latest=False)),
        *(file for tarball in tarballs for file in tarball.companions),
        *(file for tarball in newest for file in _pair(tarball, latest=True)),
    )


def of_bytes(name: str, data: bytes, *, immutable: bool) -> Upload:
    """Give the upload of `data` under `name`; an immutable one never replaces a file."""
    only_if = Absent() if immutable else None
    return Upload(name, data, len(data), sha256(data).hexdigest(), immutable, only_if)


def of_file(path: Path, size: int, sha256: str, *, first_stays: bool = False) -> Upload:
    """Give the upload of an immutable file under its own name."""
    return Upload(path.name, path, size, sha256, True, Absent(), first_stays=first_stays)


def _pair(tarball: Tarball, *, latest: bool) -> Iterator[Upload]:
    name = tarball.artifact.latest if latest else tarball.artifact.tarball
    line = checksum_line(tarball.sha256, name).encode("ascii")
    yield Upload(
        name,
        tarball.path,
        tarball.size,
        tarball.sha256,
        immutable=not latest,
        only_if=None if latest else Absent(),
        same_as=tarball.artifact.tarball if latest else None,
    )
    yield of_bytes(checksum_file(name), line, immutable=not latest)
