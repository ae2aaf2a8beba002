"""What signed metadata says of the files that `toolkit upload` has sent."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from toolkit import __version__
from toolkit.artifact import Artifact
from toolkit.beside import deltas, describe
from toolkit.errors import IntegrityError
from toolkit.host.delta import Delta
from toolkit.host.target import Tar, Target
from toolkit.progress import Progress
from toolkit.publish import Publication
from toolkit.repository import Publisher, foresee_targets, publish_targets, ready
from toolkit.trust.catalog import Listed
from toolkit.trust.model import ENGINE, Repository
from toolkit.uploads import Upload

_CHUNK = 1024 * 1024
_SUFFIX = ".pyz"


def prepare(at: Publisher, publication: Publication) -> Repository:
    """See to it that the metadata can be signed, before anything large is sent; gives the set.

    Raises NotFoundError where the store or the agent has no metadata yet, TrustError where what
    is there does not verify, SigningError where a key is missing.
    """
    return ready(at, (publication.agent, ENGINE))


def vouch(
    at: Publisher, publication: Publication, sent: Iterable[Upload], progress: Progress
) -> Repository:
    """Sign for the tarballs and the agentctl among `sent`, which the store holds by now."""
    by_role = _by_role(publication, sent, progress)
    progress.start("signing metadata")
    repository = publish_targets(at.store, at.signers, by_role, at.now)
    progress.finish()
    return repository


def foresee(
    at: Publisher, publication: Publication, sent: Iterable[Upload], progress: Progress
) -> tuple[Upload, ...]:
    """Give the metadata files that `vouch` would write, without their bytes; writes nothing.

    Raises NotFoundError and TrustError as `prepare` does.
    """
    return foresee_targets(at, _by_role(publication, sent, progress))


def _by_role(
    publication: Publication, sent: Iterable[Upload], progress: Progress
) -> dict[str, list[Listed]]:
    listed = tuple(_listed(publication, sent, progress))
    return {
        role: [one for one in listed if one.target.name == role]
        for role in (publication.agent, ENGINE)
    }


def _listed(
    publication: Publication, sent: Iterable[Upload], progress: Progress
) -> Iterator[Listed]:
    files = {upload.name: upload for upload in sent}
    for platform in (None, *publication.platforms):
        artifact = Artifact(publication.agent, publication.version, platform)
        tarball = files.get(artifact.tarball)
        if tarball is not None and isinstance(tarball.body, Path):
            targets = _targets(artifact, tarball.body, progress)
            for name in targets.keys() & files.keys():
                yield Listed(name, files[name].size, files[name].sha256, targets[name])
    for name, upload in files.items():
        if name.startswith(f"{ENGINE}-") and name.endswith(_SUFFIX):
            target = Target(ENGINE, ENGINE, __version__)
            yield Listed(name, upload.size, upload.sha256, target)


def _targets(artifact: Artifact, tarball: Path, progress: Progress) -> dict[str, Target]:
    """Say what each file of this version is, by its name."""
    dist = tarball.parent
    whole = Target("release", artifact.name, artifact.version, artifact.platform)
    recorded = describe(artifact, dist)
    tar = Tar(recorded.tar.size, recorded.tar.sha256) if recorded else _tar(tarball, progress)
    of_bases = {
        path.name: replace(whole, kind="delta", tar=tar, compression="zstd", source=_source(delta))
        for path, delta in deltas(artifact, dist).items()
    }
    return {
        artifact.tarball: replace(whole, tar=tar, compression="gzip"),
        artifact.zstd: replace(whole, tar=tar, compression="zstd"),
        artifact.sbom: replace(whole, kind="sbom"),
        artifact.provenance: replace(whole, kind="provenance"),
        **of_bases,
    }


def _source(delta: Delta) -> dict[str, object]:
    base = delta.base
    return {"version": base.version, "tar": asdict(base.tar), "epoch": base.epoch}


def _tar(path: Path, progress: Progress) -> Tar:
    """Measure the tar inside a tarball."""
    progress.start(f"measuring {path.name}")
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except (OSError, EOFError) as error:
        raise IntegrityError(
            f"{path} is no gzip file",
            why=str(error),
            hint="build it again by `toolkit release`",
        ) from error
    progress.finish()
    return Tar(size, digest.hexdigest())
