"""The story of `toolkit release`: from what an agent is to a tarball that installs it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, get_args

from toolkit import secrets, sources
from toolkit.archive import DEFAULT_EPOCH, Archive, Entry, build_archive, text_entry
from toolkit.artifact import Artifact, checksum_file, checksum_line
from toolkit.errors import BuildError
from toolkit.host.manifest import File, dump_manifest
from toolkit.progress import Progress
from toolkit.render import release_files
from toolkit.spec import AgentSpec, Platform
from toolkit.tree import Job


@dataclass(frozen=True)
class Settings:
    """How a release is built.

    `project` is the folder that release/ stands in, `out` the one for tarballs; `check`
    writes nothing there; `epoch` is the time of all files, in seconds since 1970.
    """

    project: Path
    out: Path
    check: bool = False
    epoch: int = DEFAULT_EPOCH


@dataclass(frozen=True)
class Built:
    """A release that was built: what is in it, and where it was written.

    `paths` is empty for a check; `replaced` says that other bytes stood there under the same
    version; `seconds` is how long it took.
    """

    artifact: Artifact
    sha256: str
    size: int
    files: tuple[File, ...]
    paths: tuple[Path, ...]
    replaced: bool
    seconds: float


def build_all(
    spec: AgentSpec, platforms: Sequence[Platform], settings: Settings, progress: Progress
) -> Iterator[Built]:
    """Build `spec` for each platform; only once where its bytes fit every platform."""
    for platform in platforms:
        built = build(spec, platform, settings, progress)
        yield built
        if built.artifact.platform is None:
            return


def build(spec: AgentSpec, platform: Platform, settings: Settings, progress: Progress) -> Built:
    """Build one tarball, and write it with its checksum and its `latest` twin.

    Raises BuildError where the source cannot be built, SecretFoundError where a file looks
    like a secret, MissingToolError where a program is missing.
    """
    began = time.monotonic()
    with _room_on_disk(settings.out), tempfile.TemporaryDirectory(prefix="toolkit-") as work:
        job = _job(spec, platform, settings, progress, Path(work))
        tree = sources.gather(job)
        secrets.refuse(sources.find_secrets(tree, spec.build.allow_secrets))
        fits_all = tree.portable and set(spec.platforms) == set(get_args(Platform))
        artifact = Artifact(spec.name, spec.release_version, None if fits_all else platform)
        entries = [*tree.entries, *_added(spec, artifact.platform)]
        archive, paths, replaced = _write(artifact, entries, settings, progress)
    return Built(
        artifact,
        archive.sha256,
        archive.size,
        archive.files,
        paths,
        replaced,
        round(time.monotonic() - began, 2),
    )


def _job(
    spec: AgentSpec, platform: Platform, settings: Settings, progress: Progress, work: Path
) -> Job:
    project = settings.project.resolve()
    outputs = frozenset({settings.out.resolve(), project / "release" / "dist"})
    return Job(spec, platform, project, work.resolve(), outputs, settings.epoch, progress)


def _added(spec: AgentSpec, platform: str | None) -> Iterator[Entry]:
    for file in release_files(spec, platform):
        yield text_entry(file.path, file.text, file.mode, origin="toolkit")


def _write(
    artifact: Artifact, entries: Sequence[Entry], settings: Settings, progress: Progress
) -> tuple[Archive, tuple[Path, ...], bool]:
    def pack(sink: BinaryIO) -> Archive:
        progress.start(f"packing {artifact.tarball}", total=sum(entry.size for entry in entries))
        archive = build_archive(
            entries,
            sink,
            epoch=settings.epoch,
            manifest=lambda files: dump_manifest(
                artifact.name, artifact.version, artifact.platform, files
            ),
            advance=progress.advance,
        )
        progress.finish()
        return archive

    if settings.check:
        with Path(os.devnull).open("wb") as nowhere:
            return pack(nowhere), (), False
    settings.out.mkdir(parents=True, exist_ok=True)
    with _part(settings.out / artifact.tarball) as part:
        with part.open("wb") as sink:
            archive = pack(sink)
        replaced = _differs(settings.out / artifact.tarball, archive.sha256)
        return archive, tuple(_publish(part, artifact, archive.sha256, settings.out)), replaced


def _publish(part: Path, artifact: Artifact, sha256: str, out: Path) -> Iterator[Path]:
    """Give the whole file its names. A checksum never stands beside other bytes than its own."""
    for name in (artifact.tarball, artifact.latest):
        tarball, checksum = out / name, out / checksum_file(name)
        checksum.unlink(missing_ok=True)
        with _part(tarball) as twin:
            twin.unlink()
            _link_or_copy(part, twin)
            twin.replace(tarball)
        with _part(checksum) as text:
            text.write_text(checksum_line(sha256, name), encoding="ascii")
            text.replace(checksum)
        yield tarball
        yield checksum


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        shutil.copyfile(source, target)


def _differs(tarball: Path, sha256: str) -> bool:
    try:
        with tarball.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() != sha256
    except FileNotFoundError:
        return False


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """Give a file beside `target` to write to, readable by all; it is gone at the end."""
    descriptor, name = tempfile.mkstemp(".part", f".{target.name}.", target.parent)
    os.close(descriptor)
    part = Path(name)
    part.chmod(0o644)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _room_on_disk(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise BuildError(
            "there is no room left on the disk",
            why=f"the build is made in {tempfile.gettempdir()}, the tarball written to {out}",
            hint="free some room, or choose others by TMPDIR and --out",
        ) from error
