"""Makes a new release's tar from an installed release and a small file: a delta.

Tars of releases are deterministic, so the installed files and their manifest give the old tar
again, byte for byte. Its hash is checked, the delta is applied by Zstandard, and the new tar's
hash is checked. All hashes come from signed metadata, and whatever goes wrong on this path
raises DeltaUnusable: then the whole release is to be fetched, and the reason to be said.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from toolkit.host.decompress import can_zstd, open_zstd
from toolkit.host.errors import AgentctlError
from toolkit.host.manifest import PATH as MANIFEST
from toolkit.host.manifest import File, parse_manifest
from toolkit.host.tarwriter import DEFAULT_EPOCH, Digest, Hashing, TarWriter, Write

SCHEMA = 1
_CHUNK = 1 << 20
# What zstd needs beside the old tar and a window as large as the new one.
_SPARE_MEMORY = 64 << 20


class DeltaUnusable(AgentctlError):
    """The delta can't be used here; the whole release is to be fetched."""


@dataclass(frozen=True)
class Base:
    """The version that a delta starts from: its tar, and the time of all files in it."""

    version: str
    tar: Digest
    epoch: int = DEFAULT_EPOCH


@dataclass(frozen=True)
class Delta:
    """A delta: where it starts, the tar that it ends in, and the delta file itself."""

    base: Base
    tar: Digest
    file: Digest

    def to_json(self) -> dict[str, object]:
        """Give it for signed metadata: `from`, `tar` and `file`."""
        return {
            "schema": SCHEMA,
            "from": asdict(self.base),
            "tar": asdict(self.tar),
            "file": asdict(self.file),
        }


def parse_delta(data: Mapping[str, Any]) -> Delta:
    """Read what `to_json` gave; raises DeltaUnusable where it is something else."""
    try:
        if data["schema"] != SCHEMA:
            raise DeltaUnusable(f"the delta's format is {data['schema']}, not {SCHEMA}")
        return Delta(parse_base(data["from"]), _digest(data["tar"]), _digest(data["file"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DeltaUnusable(f"the delta is not described: {error!r}") from error


def parse_base(data: Mapping[str, Any]) -> Base:
    """Read where a delta starts, as signed metadata says it; raises DeltaUnusable.

    Files have the time DEFAULT_EPOCH where no `epoch` is given.
    """
    try:
        epoch = int(data.get("epoch", DEFAULT_EPOCH))
        return Base(str(data["version"]), _digest(data["tar"]), epoch)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DeltaUnusable(f"the delta's base is not described: {error!r}") from error


def _digest(data: Mapping[str, Any]) -> Digest:
    return Digest(int(data["size"]), str(data["sha256"]))


def check_usable(delta: Delta) -> None:
    """Raise DeltaUnusable where this host can't apply `delta`: ask before it is fetched."""
    if not can_zstd():
        raise DeltaUnusable("this host has no zstd")
    needed = delta.base.tar.size + delta.tar.size + _SPARE_MEMORY
    available = _available_memory()
    if available is not None and available < needed:
        raise DeltaUnusable(
            f"a delta needs {needed >> 20} MB of memory, and {available >> 20} MB are free"
        )


def check_room(delta: Delta, folder: Path) -> None:
    """Raise DeltaUnusable where the disk of `folder` lacks the room for both tars.

    The old one is gone again when the new one is unpacked.
    """
    needed = delta.file.size + delta.tar.size + max(delta.base.tar.size, delta.tar.size)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DeltaUnusable(
            f"a delta needs {needed >> 20} MB of disk, and {free >> 20} MB are free"
        )


def apply(delta: Delta, file: Path, installed: Path, target: Path) -> None:
    """Write the new tar to `target`, from the delta in `file` and the folder `installed`.

    `installed` is the folder of the base version; nothing in it is changed. `target` is there
    only when its hash is right. Raises DeltaUnusable for any fault.
    """
    old = target.with_name(f"{target.name}.base")
    part = target.with_name(f"{target.name}.part")
    with _unusable(), _gone(old), _gone(part):
        with old.open("wb", buffering=_CHUNK) as sink:
            found = rebuild(installed, delta.base.epoch, sink.write)
        if found != delta.base.tar:
            raise DeltaUnusable(f"the files of {delta.base.version} are not those of its release")
        with open_zstd(file, base=old) as source, part.open("wb") as sink:
            output = Hashing(sink.write)
            while chunk := source.read(_CHUNK):
                output.write(chunk)
                if output.size > delta.tar.size:
                    raise DeltaUnusable("the delta makes more than it should")
        if output.digest() != delta.tar:
            raise DeltaUnusable("the delta did not make the new release's bytes")
        part.replace(target)


def rebuild(installed: Path, epoch: int, write: Write) -> Digest:
    """Write the tar of an installed release to `write` again; gives its digest.

    Only what its manifest lists is read, with the modes of the manifest: an installed release
    is sealed, and has files of its host beside, such as a virtual environment. Raises
    DeltaUnusable where a file is missing or is another kind, OSError, BadRelease.
    """
    output = Hashing(write)
    tar = TarWriter(output.write, epoch)
    text = (installed / MANIFEST).read_bytes()
    files = (*parse_manifest(text.decode()), File(MANIFEST, 0o644, len(text), ""))
    for file in files:
        if file.link:
            tar.link(file.path, file.link)
        else:
            _add(tar, f"{installed}/{file.path}", file)
    tar.close()
    return output.digest()


def _add(tar: TarWriter, path: str, file: File) -> None:
    # Neither a link nor a pipe that was put in its place is followed or waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with FileIO(descriptor) as source:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            raise DeltaUnusable(f"{file.path} is not the file that was installed")
        if tar.file(file.path, file.mode, file.size, source, lambda _: None):
            raise DeltaUnusable(f"{file.path} changed while it was read")


@contextmanager
def _unusable() -> Iterator[None]:
    try:
        yield
    except DeltaUnusable:
        raise
    except (AgentctlError, OSError, ValueError, MemoryError) as error:
        raise DeltaUnusable(f"the delta can't be used: {error}") from error


@contextmanager
def _gone(path: Path) -> Iterator[None]:
    """See to it that `path` is no more, however the block ends."""
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _available_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    rows = dict(line.split(":", 1) for line in lines if ":" in line)
    words = rows.get("MemAvailable", "").split()
    return int(words[0]) << 10 if words else None
