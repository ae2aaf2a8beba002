"""Finds what stands beside a built tarball and goes up with it: other forms, deltas, documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from toolkit.artifact import Artifact, checksum_file
from toolkit.errors import IntegrityError
from toolkit.host.delta import Delta, DeltaUnusable, parse_delta
from toolkit.host.tarwriter import Digest
from toolkit.record import Description, parse_description

_CHUNK = 1024 * 1024
_DELTA = ".tar.zst"


def describe(artifact: Artifact, dist: Path) -> Description | None:
    """Read what the build recorded of `artifact`; None where it was built without a record."""
    path = dist / artifact.description
    if not path.is_file():
        return None
    return parse_description(path.read_text("utf-8"), file=path.name)


def companions(artifact: Artifact, dist: Path) -> Iterator[tuple[Path, Digest]]:
    """Give each file that goes up beside the tarball, held against what the build recorded.

    Raises IntegrityError where one is not what was built.
    """
    description = describe(artifact, dist)
    if description is None:
        return
    recorded = {name: file for name, file in description.files.items() if name != artifact.tarball}
    for name, wanted in recorded.items():
        yield _held(dist / name, wanted, artifact.name)
        if name == artifact.zstd:
            yield _found(dist / checksum_file(name))
    provenance = dist / artifact.provenance
    if provenance.is_file():
        yield _found(provenance)
    for path, delta in deltas(artifact, dist).items():
        yield _held(path, delta.file, artifact.name)


def deltas(artifact: Artifact, dist: Path) -> Mapping[Path, Delta]:
    """Give the deltas that end in this version, by their paths.

    Raises IntegrityError where one is not described.
    """
    return {path: _delta(path) for path in sorted(dist.glob(f"{artifact.stem}.from-v*{_DELTA}"))}


def _delta(path: Path) -> Delta:
    described = path.with_name(f"{path.name}.json")
    try:
        return parse_delta(json.loads(described.read_text("utf-8")))
    except (OSError, ValueError, DeltaUnusable) as error:
        raise IntegrityError(
            f"{path.name} is not described",
            why=f"{described.name}: {error}",
            hint="make the delta again by `toolkit delta`, or remove it",
        ) from error


def _held(path: Path, wanted: Digest, agent: str) -> tuple[Path, Digest]:
    _, found = _found(path) if path.is_file() else (path, None)
    if found != wanted:
        raise IntegrityError(
            f"{path.name} is not what was released",
            why="it is missing" if found is None else f"its SHA-256 is {found.sha256}",
            hint=f"run `toolkit release {agent}` again, and keep what it writes together",
        )
    return path, found


def _found(path: Path) -> tuple[Path, Digest]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return path, Digest(size, digest.hexdigest())
