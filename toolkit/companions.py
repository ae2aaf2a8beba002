"""Writes what stands beside a tarball: checksums, `latest`, its packages, its provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import toolkit
from toolkit import git, lock_files
from toolkit.dist import publish, withdraw, write_text
from toolkit.host.tarwriter import Digest
from toolkit.provenance import Origin, statement
from toolkit.record import Description, Record, dump_description
from toolkit.spec import NoRuntime
from toolkit.tree import Job


def forms(record: Record) -> dict[str, Digest]:
    """Give the tarball's files, .tar.gz first, by their names."""
    archive, artifact = record.archive, record.artifact
    found = {artifact.tarball: archive.gzip}
    return {**found, artifact.zstd: archive.zstd} if archive.zstd else found


def write_companions(record: Record, origin: Origin, out: Path) -> Iterator[Path]:
    """Write them into `out`, where the tarball stands; gives every path, the tarball's first.

    Nothing is signed: who builds needs no key, and the bytes do not depend on one.
    """
    artifact = record.artifact
    for name, digest in forms(record).items():
        yield from publish(out / name, name, digest.sha256)
        if name == artifact.tarball:
            yield from publish(out / name, artifact.latest, digest.sha256)
    if not record.archive.zstd:
        # What an earlier build left is of other bytes.
        withdraw(out / artifact.zstd)
        (out / artifact.zstd).unlink(missing_ok=True)
    data = record.sbom.encode()
    files = {
        **forms(record),
        artifact.sbom: Digest(len(data), hashlib.sha256(data).hexdigest()),
    }
    text = statement(origin, {name: digest.sha256 for name, digest in files.items()})
    description = Description(artifact, origin.epoch, record.archive.tar, files)
    yield write_text(out / artifact.sbom, record.sbom)
    yield write_text(out / artifact.provenance, text)
    yield write_text(out / artifact.description, dump_description(description))


def origin_of(job: Job) -> Origin:
    """Say what `job` builds from."""
    spec = job.spec
    locks = [] if isinstance(spec.runtime, NoRuntime) else lock_files.locks_for(spec, job.project)
    release_file = job.project / "release" / f"{spec.name}.toml"
    commit = git.commit_of(job.project)
    return Origin(
        name=spec.name,
        version=spec.release_version,
        platform=job.platform,
        epoch=job.epoch,
        toolkit=toolkit.__version__,
        source=spec.source,
        locks={name: _sha256(path) for name, path in locks},
        release_file=_sha256(release_file) if release_file.is_file() else None,
        commit=commit.name if commit else None,
        dirty=commit.dirty if commit else False,
        path=commit.path if commit else "",
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
