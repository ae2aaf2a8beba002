"""The story of `toolkit delta`: small files that turn an older version's tar into a newer one.

`zstd --patch-from` on tars before compression: on compressed ones it finds nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from toolkit.artifact import Artifact
from toolkit.dist import part_of, write_text
from toolkit.errors import IntegrityError, NotFoundError
from toolkit.host.delta import Base, Delta
from toolkit.host.tarwriter import Digest
from toolkit.progress import Progress
from toolkit.record import Description, parse_description
from toolkit.spec import Platform

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL = 9
_SMALLEST_WINDOW = 20
# zstd's windows end at 2 GiB, and with them what a patch can see.
_LARGEST_WINDOW = 31


@dataclass(frozen=True)
class Made:
    """A delta that was written to `path`; `whole` is the size of the smallest whole tarball.

    `path` is None where the delta would not be small, so that none was written.
    """

    artifact: Artifact
    delta: Delta
    whole: int
    path: Path | None


@dataclass(frozen=True)
class Wanted:
    """Which deltas to make: to `version` of `name`, from `bases`, or from the `last` versions.

    With `recent`, the last ones are those of it, the newest first, that the folder has.
    """

    name: str
    version: str
    bases: tuple[str, ...] = ()
    last: int = 3
    recent: tuple[str, ...] | None = None


def make_deltas(wanted: Wanted, dist: Path, progress: Progress) -> Iterator[Made]:
    """Make the deltas of each platform in the folder `dist`, which holds both versions.

    Raises NotFoundError where a version is not there, IntegrityError where a tarball is not
    what was released.
    """
    artifacts = [Artifact(wanted.name, wanted.version, p) for p in (None, *get_args(Platform))]
    found = [artifact for artifact in artifacts if (dist / artifact.description).is_file()]
    if not found:
        raise _missing(wanted.name, wanted.version, dist)
    for artifact in found:
        bases = _bases(wanted, artifact, dist)
        if bases:
            new = _describe(artifact, dist)
            content = _tar(new, dist)
        for base in bases:
            progress.start(f"comparing {artifact.stem} with {base.version}")
            made = _make(_describe(base, dist), (new, content), dist)
            progress.finish()
            yield made


def _bases(wanted: Wanted, artifact: Artifact, dist: Path) -> Sequence[Artifact]:
    """Give the versions to start from, newest first."""
    there = {
        version: Artifact(wanted.name, version, artifact.platform)
        for version in _versions(artifact, dist)
    }
    for version in wanted.bases:
        if version not in there:
            raise _missing(wanted.name, version, dist)
    if wanted.recent is None:
        older = [v for v in there if version_order(v) < version_order(wanted.version)]
        newest = sorted(older, key=version_order, reverse=True)
    else:
        newest = [v for v in wanted.recent if v in there and v != wanted.version]
    chosen = wanted.bases or newest[: wanted.last]
    return [there[version] for version in chosen if version != wanted.version]


def _versions(artifact: Artifact, dist: Path) -> Iterator[str]:
    for file in sorted(dist.glob(f"{artifact.name}-v*.release.json")):
        found = parse_description(file.read_text("utf-8"), file=file.name).artifact
        if (found.name, found.platform) == (artifact.name, artifact.platform):
            yield found.version


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Give what versions sort by: numbers by their size, and 1.0-rc1 before 1.0."""
    parts = re.findall(r"\d+|[a-zA-Z]+", version)
    rows = [(2, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
    return (*rows, (1, 0, ""))


def _missing(name: str, version: str, dist: Path) -> NotFoundError:
    return NotFoundError(
        f"{name} {version} is not in {dist}, or was built by an older toolkit",
        why=f"there is no {Artifact(name, version, None).stem}[-PLATFORM].release.json",
        hint=f"release it with `toolkit release {name}`, or name its folder by --from",
    )


def _describe(artifact: Artifact, dist: Path) -> Description:
    file = dist / artifact.description
    return parse_description(file.read_text("utf-8"), file=file.name)


def _tar(description: Description, dist: Path) -> bytes:
    file = dist / description.artifact.tarball
    try:
        with gzip.open(file) as source:
            data = source.read(description.tar.size + 1)
    except (OSError, EOFError) as error:
        raise IntegrityError(f"{file.name} can't be read", why=str(error)) from error
    if _digest(data) != description.tar:
        raise IntegrityError(
            f"{file.name} is not what was released",
            why="the tar in it is not the one that its .release.json tells of",
            hint="release it again, and keep what it writes together",
        )
    return data


def _digest(data: bytes) -> Digest:
    return Digest(len(data), hashlib.sha256(data).hexdigest())


def _make(old: Description, new: tuple[Description, bytes], dist: Path) -> Made:
    description, content = new
    base = _tar(old, dist)
    patch = make_patch(base, content)
    artifact = description.artifact
    delta = Delta(Base(old.artifact.version, old.tar, old.epoch), description.tar, _digest(patch))
    whole = min(
        digest.size
        for name, digest in description.files.items()
        if name.startswith(artifact.stem + ".tar")
    )
    path = dist / artifact.delta(old.artifact.version)
    if len(patch) * 2 > whole:
        return Made(artifact, delta, whole, None)
    with part_of(path) as part:
        part.write_bytes(patch)
        part.replace(path)
    write_text(path.with_name(f"{path.name}.json"), json.dumps(delta.to_json(), indent=1) + "\n")
    return Made(artifact, delta, whole, path)


def make_patch(base: bytes, content: bytes) -> bytes:
    """Give what `zstd -d --patch-from` makes `content` of, from `base`.

    Raises IntegrityError where it does not: every patch is tried.
    """
    window = max(_SMALLEST_WINDOW, max(len(base), len(content)).bit_length())
    if window > _LARGEST_WINDOW:
        raise IntegrityError("tars of more than 2 GiB can't be compared")
    prefix = zstd.ZstdDict(base, is_raw=True).as_prefix
    kind = zstd.CompressionParameter
    options: dict[int, int] = {
        kind.compression_level: _LEVEL,
        kind.window_log: window,
        kind.enable_long_distance_matching: 1,
        kind.checksum_flag: 1,
        kind.content_size_flag: 1,
    }
    compressor = zstd.ZstdCompressor(options=options, zstd_dict=prefix)
    patch = compressor.compress(content, zstd.ZstdCompressor.FLUSH_FRAME)
    limit: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _LARGEST_WINDOW}
    if zstd.ZstdDecompressor(zstd_dict=prefix, options=limit).decompress(patch) != content:
        raise IntegrityError("a patch did not make what it should")
    return patch
