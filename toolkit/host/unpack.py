"""Unpacks a release beside the others, and holds each file against the manifest."""

from __future__ import annotations

import hashlib
import os
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from toolkit.host.decompress import open_zstd
from toolkit.host.errors import BadRelease
from toolkit.host.manifest import PATH, File, parse_manifest
from toolkit.host.tarwriter import Digest

CHUNK = 1 << 20


def unpack(tarball: Path, folder: Path, tar: Digest | None = None) -> None:
    """Unpack `tarball`, a .tar.gz, .tar.zst or .tar, into the new folder `folder`.

    Only plain files, folders and links that stay inside are made; owners and special bits
    of the tarball are not used. Raises BadRelease where the tarball holds anything else, or
    not just what its manifest lists, or where its tar, before compression, is not `tar`.
    """
    folder = folder.parent.resolve() / folder.name
    folder.mkdir(mode=0o755)
    found = {}
    real = {folder}
    try:
        with _opened(tarball, tar) as archive:
            for member in archive:
                file = _member(archive, member, folder, real)
                if file is not None:
                    found[file.path] = file
    except (tarfile.TarError, EOFError) as error:
        raise BadRelease(f"{tarball.name} is no readable tarball: {error}") from error
    _compare(folder, found)


@contextmanager
def _opened(tarball: Path, tar: Digest | None) -> Iterator[tarfile.TarFile]:
    if tarball.suffix == ".gz":
        with tarfile.open(tarball, "r|gz") as archive:
            yield archive
        return
    with open_zstd(tarball) if tarball.suffix == ".zst" else tarball.open("rb") as stream:
        source = _Hashed(stream)
        # It only reads, as tarfile wants it of a stream.
        with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|") as archive:
            yield archive
        while source.read(CHUNK):
            pass
    if tar is not None and source.digest() != tar:
        raise BadRelease(f"{tarball.name} holds another tar than the one that was signed")


class _Hashed:
    """Reads from `stream`, and hashes what it gives."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self._size = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._sha256.update(data)
        self._size += len(data)
        return data

    def digest(self) -> Digest:
        return Digest(self._size, self._sha256.hexdigest())


def _member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, real: set[Path]
) -> File | None:
    name = _inside(member.name, member.name)
    target = folder / name
    if member.isdir():
        target.mkdir(mode=0o755, parents=True, exist_ok=True)
        return None
    if os.path.lexists(target):
        raise BadRelease(f"the tarball holds {name} twice")
    _make_parent(target.parent, name, real)
    if member.issym():
        _inside(posixpath.join(posixpath.dirname(name), member.linkname), name)
        target.symlink_to(member.linkname)
        return File(name, 0o777, 0, "", member.linkname)
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        raise BadRelease(f"{name} in the tarball is neither a file, a folder nor a link")
    return _write(content, target, name, member.mode & 0o777)


def _make_parent(parent: Path, name: str, real: set[Path]) -> None:
    """Make the folder of `name`; `real` has those that were seen to be folders and no links.

    They stay so: what is there is never replaced.
    """
    if parent in real:
        return
    parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if parent.resolve() != parent:
        raise BadRelease(f"{name} in the tarball would be written through a link")
    real.add(parent)


def _write(content: IO[bytes], target: Path, name: str, mode: int) -> File:
    digest = hashlib.sha256()
    size = 0
    with target.open("xb") as file:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        os.fchmod(file.fileno(), mode)
    return File(name, mode, size, digest.hexdigest())


def _inside(path: str, name: str) -> str:
    normal = posixpath.normpath(path)
    if posixpath.isabs(normal) or normal == ".." or normal.startswith("../"):
        raise BadRelease(f"{name} in the tarball leads out of the release's folder")
    return normal


def _compare(folder: Path, found: dict[str, File]) -> None:
    if found.pop(PATH, None) is None:
        raise BadRelease(f"the tarball has no {PATH}: it was not made by `toolkit release`")
    listed = {file.path: file for file in parse_manifest((folder / PATH).read_text("utf-8"))}
    for path in sorted(listed.keys() | found.keys()):
        if listed.get(path) != found.get(path):
            what = (
                "is not in the manifest"
                if path not in listed
                else ("is missing" if path not in found else "is not the file in the manifest")
            )
            raise BadRelease(f"{path} {what}; the tarball is damaged or was changed")


def seal(folder: Path) -> None:
    """Take away the write bits of all that is in `folder`, so that no version changes later.

    The folder itself is left, since the marker has still to be written into it.
    """
    for path in _walk(folder):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o555)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(parent) / name
