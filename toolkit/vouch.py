"""What signed metadata says of the files that `toolkit upload` has sent."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolkit import __version__
from toolkit.artifact import Artifact
from toolkit.errors import IntegrityError
from toolkit.host.target import Tar, Target
from toolkit.progress import Progress
from toolkit.publish import Publication
from toolkit.repository import Publisher, publish_targets, ready
from toolkit.trust.catalog import Listed
from toolkit.trust.model import ENGINE, Repository
from toolkit.uploads import Upload

_CHUNK = 1024 * 1024
_SUFFIX = ".pyz"


def prepare(at: Publisher, publication: Publication) -> None:
    """See to it that the metadata can be signed, before anything large is sent.

    Raises NotFoundError where the store or the agent has no metadata yet, TrustError where what
    is there does not verify, SigningError where a key is missing.
    """
    ready(at, (publication.agent, ENGINE))


def vouch(
    at: Publisher, publication: Publication, sent: Iterable[Upload], progress: Progress
) -> Repository:
    """Sign for the tarballs and the agentctl among `sent`, which the store holds by now."""
    listed = tuple(_listed(publication, sent, progress))
    by_role = {
        role: [one for one in listed if one.target.name == role]
        for role in (publication.agent, ENGINE)
    }
    progress.start("signing metadata")
    repository = publish_targets(at.store, at.signers, by_role, at.now)
    progress.finish()
    return repository


def _listed(
    publication: Publication, sent: Iterable[Upload], progress: Progress
) -> Iterator[Listed]:
    platforms = {
        Artifact(publication.agent, publication.version, platform).tarball: platform
        for platform in (None, *publication.platforms)
    }
    for upload in sent:
        if upload.name in platforms and isinstance(upload.body, Path):
            target = Target(
                "release",
                publication.agent,
                publication.version,
                platforms[upload.name],
                tar=_tar(upload.body, progress),
                compression="gzip",
            )
        elif upload.name.startswith(f"{ENGINE}-") and upload.name.endswith(_SUFFIX):
            target = Target(ENGINE, ENGINE, __version__)
        else:
            continue
        yield Listed(upload.name, upload.size, upload.sha256, target)


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
