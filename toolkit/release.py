"""The story of `toolkit release`: from what an agent is to a tarball that installs it."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from toolkit import secrets
from toolkit.archive import DEFAULT_EPOCH, Archive, Entry, Sinks, build_archive, text_entry
from toolkit.artifact import Artifact
from toolkit.build_cache import BuildCache
from toolkit.companions import forms, origin_of, write_companions
from toolkit.dist import digest_of, part_of, withdraw
from toolkit.errors import BuildError
from toolkit.host.manifest import File, dump_manifest
from toolkit.host.tarwriter import Digest
from toolkit.inputs import inputs_hash
from toolkit.progress import Progress
from toolkit.record import Record, dump_record, parse_record
from toolkit.render import release_files
from toolkit.sbom import document
from toolkit.sources import gathering
from toolkit.spec import AgentSpec, Platform
from toolkit.tree import Job


@dataclass(frozen=True)
class Settings:
    """How a release is built.

    `project` is the folder that release/ stands in, `out` the one for tarballs; `check`
    writes nothing there; `epoch` is the time of all files, in seconds since 1970. `cache` is
    the folder for what the next build needs again; without it, all is made anew. `zstd` adds
    a .tar.zst.
    """

    project: Path
    out: Path
    check: bool = False
    epoch: int = DEFAULT_EPOCH
    cache: Path | None = None
    zstd: bool = True


@dataclass(frozen=True)
class Built:
    """A release that was built: what is in it, and where it was written.

    `sha256` and `size` are those of the .tar.gz, `tar` tells of the tar before compression.
    `paths` is empty for a check; `replaced` says that other bytes stood there under the same
    version, `reused` that the same inputs were built before and their files are still whole;
    `seconds` is how long it took.
    """

    artifact: Artifact
    sha256: str
    size: int
    files: tuple[File, ...]
    paths: tuple[Path, ...]
    replaced: bool
    seconds: float
    tar: Digest
    zstd: Digest | None = None
    reused: bool = False


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
    """Build one tarball, and write it with its checksum, its `latest` twin and what tells of it.

    Raises BuildError where the source cannot be built, SecretFoundError where a file looks
    like a secret, MissingToolError where a program is missing.
    """
    began = time.monotonic()
    with _room_on_disk(settings.out), tempfile.TemporaryDirectory(prefix="toolkit-") as work:
        job = _job(spec, platform, settings, progress, Path(work).resolve())
        key = inputs_hash(job) if settings.cache and not settings.check else None
        record = _reusable(key, settings)
        reused, replaced = record is not None, False
        if record is None:
            record, replaced = _make(job, settings)
            _remember(key, record, settings)
        paths = () if settings.check else tuple(_publish(record, job, settings))
    return Built(
        record.artifact,
        record.archive.gzip.sha256,
        record.archive.gzip.size,
        record.archive.files,
        paths,
        replaced,
        round(time.monotonic() - began, 2),
        record.archive.tar,
        record.archive.zstd,
        reused,
    )


def _job(
    spec: AgentSpec, platform: Platform, settings: Settings, progress: Progress, work: Path
) -> Job:
    project = settings.project.resolve()
    outputs = frozenset({settings.out.resolve(), project / "release" / "dist"})
    keep = BuildCache(settings.cache or work / "cache").folder
    return Job(spec, platform, project, work, outputs, settings.epoch, progress, keep)


def _reusable(key: str | None, settings: Settings) -> Record | None:
    """Give what the same inputs made before, where its files are still those that were made."""
    text = BuildCache(settings.cache).record("release", key) if settings.cache and key else None
    record = parse_record(text) if text else None
    if record is None or (settings.zstd and record.archive.zstd is None):
        return None
    found = all(digest_of(settings.out / name) == d for name, d in forms(record).items())
    return record if found else None


def _remember(key: str | None, record: Record, settings: Settings) -> None:
    if settings.cache and key:
        BuildCache(settings.cache).keep("release", key, dump_record(record))


def _make(job: Job, settings: Settings) -> tuple[Record, bool]:
    """Gather, look for secrets and pack; says also whether other bytes stood there before."""
    spec = job.spec
    tree = gathering.gather(job)
    secrets.refuse(gathering.find_secrets(tree, spec.build.allow_secrets))
    fits_all = tree.portable and set(spec.platforms) == set(get_args(Platform))
    artifact = Artifact(spec.name, spec.release_version, None if fits_all else job.platform)
    entries = [*tree.entries, *_added(spec, artifact.platform)]
    archive, replaced = _write(artifact, entries, settings, job.progress)
    return Record(artifact, archive, document(artifact, spec.title, tree.packages)), replaced


def _added(spec: AgentSpec, platform: str | None) -> Iterator[Entry]:
    for file in release_files(spec, platform):
        yield text_entry(file.path, file.text, file.mode, origin="toolkit")


def _write(
    artifact: Artifact, entries: Sequence[Entry], settings: Settings, progress: Progress
) -> tuple[Archive, bool]:
    def pack(sinks: Sinks) -> Archive:
        progress.start(f"packing {artifact.tarball}", total=sum(entry.size for entry in entries))
        archive = build_archive(
            entries,
            sinks,
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
            return pack(Sinks(nowhere, nowhere if settings.zstd else None)), False
    settings.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        parts = {
            name: stack.enter_context(part_of(settings.out / name))
            for name in (artifact.tarball, *([artifact.zstd] if settings.zstd else []))
        }
        with ExitStack() as files:
            archive = pack(Sinks(*(files.enter_context(p.open("wb")) for p in parts.values())))
        before = digest_of(settings.out / artifact.tarball)
        for name, part in parts.items():
            withdraw(settings.out / name)
            part.replace(settings.out / name)
    return archive, before is not None and before != archive.gzip


def _publish(record: Record, job: Job, settings: Settings) -> Iterator[Path]:
    return write_companions(record, origin_of(job), settings.out)


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
            hint="free some room, or choose others by TMPDIR, --out and XDG_CACHE_HOME",
        ) from error
