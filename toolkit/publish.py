"""The story of `toolkit upload`: from tarballs on this machine to files that hosts can fetch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from toolkit.artifact import Artifact, checksum_file, checksum_line
from toolkit.errors import IntegrityError, NotFoundError, StoreError
from toolkit.progress import Progress
from toolkit.store import DirectoryStore, Store, Stored
from toolkit.uploads import Tarball, Upload, plan

_CHECKSUM_LIMIT = 4096


@dataclass(frozen=True)
class Publication:
    """What is to be published: one version of an agent, and files that go with it.

    `platforms` are those that the agent names; `extra` are immutable files, each with its name.
    """

    agent: str
    version: str
    platforms: tuple[str, ...]
    extra: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Prepared:
    """What to send, in order, and what a person should know about it."""

    uploads: tuple[Upload, ...]
    notes: tuple[str, ...]


class Action(StrEnum):
    """What was done with a file."""

    SENT = "sent"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Published:
    """One file that the store now holds, read back and compared."""

    upload: Upload
    action: Action


def prepare(publication: Publication, dist: DirectoryStore, progress: Progress) -> Prepared:
    """Find the built tarballs in `dist` and compare each with its checksum.

    Raises NotFoundError where nothing was built, IntegrityError where a tarball is not what
    was built.
    """
    artifacts = _built(publication, dist)
    tarballs = [_checked(artifact, dist, progress) for artifact in artifacts]
    return Prepared(plan(publication.extra, tarballs), tuple(_notes(publication, tarballs)))


def publish(uploads: Sequence[Upload], store: Store, progress: Progress) -> tuple[Published, ...]:
    """Send what the store lacks, in order, and read back each file.

    Nothing is sent where an immutable file is there with other bytes. Can be run again after
    an interruption: what has arrived is not sent again.

    Raises StoreError.
    """
    actions = [_decide(upload, store, progress) for upload in uploads]
    for upload, action in zip(uploads, actions, strict=True):
        if action is not Action.UNCHANGED:
            _send(upload, store, progress)
    return tuple(map(Published, uploads, actions))


def hand_over(uploads: Iterable[Upload], dist: DirectoryStore, progress: Progress) -> None:
    """Complete `dist` by the files that stand in memory, for a person to copy them from there."""
    for upload in uploads:
        if isinstance(upload.body, bytes):
            with dist.read(upload.name) as stored:
                there = stored is not None and _holds(stored, upload, "comparing", progress)
            if not there:
                progress.start(f"writing {upload.name}", total=upload.size)
                dist.write(upload, progress.advance)
                progress.finish()


def _built(publication: Publication, dist: DirectoryStore) -> list[Artifact]:
    names = dist.names()
    every = [
        Artifact(publication.agent, publication.version, platform)
        for platform in (None, *publication.platforms)
    ]
    built = [artifact for artifact in every if artifact.tarball in names]
    if built:
        return built
    others = sorted(
        name
        for name in names
        if name.startswith(f"{publication.agent}-v") and name.endswith(".tar.gz")
    )
    raise NotFoundError(
        f"{publication.agent} {publication.version} is not in {dist.locate('')}",
        why=f"of this agent, it has {', '.join(others) or 'nothing'}",
        hint=f"run `toolkit release {publication.agent}`",
    )


def _checked(artifact: Artifact, dist: DirectoryStore, progress: Progress) -> Tarball:
    size, sha256 = _compare_with_checksum(artifact.tarball, artifact, dist, progress)
    _, latest = _compare_with_checksum(artifact.latest, artifact, dist, progress)
    path = dist.path(artifact.tarball)
    return Tarball(artifact, path, size, sha256, is_latest=latest == sha256)


def _compare_with_checksum(
    name: str, artifact: Artifact, dist: DirectoryStore, progress: Progress
) -> tuple[int, str]:
    build = f"run `toolkit release {artifact.name}` again, and keep what it writes together"
    promised = _text(checksum_file(name), dist)
    with dist.read(name) as stored:
        if stored is None or promised is None:
            lacking = name if stored is None else checksum_file(name)
            raise NotFoundError(
                f"{lacking} is not in {dist.locate('')}",
                why="a release is published with all its files, and this one is missing",
                hint=build,
            )
        size = stored.size
        sha256 = _hash(f"checking {name}", stored, progress)
    if promised != checksum_line(sha256, name):
        raise IntegrityError(
            f"{name} is not what was released",
            why=f"its SHA-256 is {sha256}, but {checksum_file(name)} says: {promised.strip()}",
            hint=build,
        )
    return size, sha256


def _text(name: str, dist: DirectoryStore) -> str | None:
    with dist.read(name) as stored:
        if stored is None:
            return None
        data = b"".join(stored.chunks) if stored.size <= _CHECKSUM_LIMIT else b""
    return data.decode("ascii", errors="replace")


def _notes(publication: Publication, tarballs: Sequence[Tarball]) -> Iterator[str]:
    built = {tarball.artifact.platform for tarball in tarballs}
    missing = [name for name in publication.platforms if name not in built]
    if missing and None not in built:
        yield f"not built, so not published: {', '.join(missing)}"
    for tarball in tarballs:
        if not tarball.is_latest:
            yield (
                f"{tarball.artifact.latest} was left as it is: "
                f"it is another release than {publication.version}"
            )


def _decide(upload: Upload, store: Store, progress: Progress) -> Action:
    with store.read(upload.name) as stored:
        if stored is None:
            return Action.SENT
        if _holds(stored, upload, "comparing", progress):
            return Action.UNCHANGED
    if not upload.immutable:
        return Action.REPLACED
    raise StoreError(
        f"{store.locate(upload.name)} is there already, with other bytes",
        why="what was published under a version never changes: hosts and caches keep it, and "
        "install scripts pin its hash",
        hint="release it under a new version; nothing was sent",
    )


def _send(upload: Upload, store: Store, progress: Progress) -> None:
    progress.start(f"sending {upload.name}", total=upload.size)
    store.write(upload, progress.advance)
    progress.finish()
    place = store.locate(upload.name)
    with store.read(upload.name) as stored:
        if stored and _holds(stored, upload, "reading back", progress):
            return
    raise StoreError(
        f"{place} does not hold what was sent",
        why=f"it should be {upload.size} bytes with the SHA-256 {upload.sha256}, and is not; "
        "files after it were not sent",
        hint="delete that file; look for what changes files on their way (a proxy, a second "
        "publisher, a bad disk); then run the same command again",
    )


def _holds(stored: Stored, upload: Upload, verb: str, progress: Progress) -> bool:
    """Tell whether a stored file has the bytes of `upload`; reads it only where its length fits."""
    return (
        stored.size == upload.size
        and _hash(f"{verb} {upload.name}", stored, progress) == upload.sha256
    )


def _hash(what: str, stored: Stored, progress: Progress) -> str:
    progress.start(what, total=stored.size)
    digest = hashlib.sha256()
    for chunk in stored.chunks:
        digest.update(chunk)
        progress.advance(len(chunk))
    progress.finish()
    return digest.hexdigest()
