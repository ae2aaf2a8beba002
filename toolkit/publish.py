"""The story of `toolkit upload`: from tarballs on this machine to files that hosts can fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from os.path import commonprefix

from toolkit.artifact import Artifact, checksum_file, checksum_line
from toolkit.beside import companions
from toolkit.errors import ConflictError, IntegrityError, NotFoundError
from toolkit.progress import Progress
from toolkit.sending import hash_of, holds, send, send_all
from toolkit.store import DirectoryStore, Entry, Store
from toolkit.uploads import Tarball, Upload, of_file, plan

_CHECKSUM_LIMIT = 4096
_AT_ONCE = 8
# From this many files on, one list of the store is asked for before each is looked at.
_MANY = 16


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
    """What was done with a file, or would be: a CONFLICT stops everything.

    KEPT says that the store's own was left, though it has other bytes, as is meant for it.
    """

    SENT = "sent"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Published:
    """One file, and what was done with it, or would be."""

    upload: Upload
    action: Action


Commit = Callable[[Sequence[Published]], None]


@dataclass(frozen=True)
class Manner:
    """How to publish.

    `verify_all` reads every file that is there already, and does not take the word of the SHA-256
    beside it. `commit` is called once all that never changes is there for sure, and
    before `latest` moves: what hosts trust is published then.
    """

    verify_all: bool = False
    commit: Commit | None = None


def prepare(publication: Publication, dist: DirectoryStore, progress: Progress) -> Prepared:
    """Find the built tarballs in `dist` and compare each with its checksum.

    Raises NotFoundError where nothing was built, IntegrityError where a tarball is not what
    was built.
    """
    artifacts = _built(publication, dist)
    tarballs = [_checked(artifact, dist, progress) for artifact in artifacts]
    return Prepared(plan(publication.extra, tarballs), tuple(_notes(publication, tarballs)))


def foresee(
    uploads: Sequence[Upload], store: Store, progress: Progress, manner: Manner | None = None
) -> tuple[Published, ...]:
    """Say what `publish` would do with each file; writes nothing.

    Raises StoreError where the store can not be read.
    """
    manner = manner or Manner()
    entries = _entries([upload.name for upload in uploads], store)
    return tuple(
        Published(upload, _decide(upload, there, store, progress, verify=manner.verify_all))
        for upload, there in zip(uploads, entries, strict=True)
    )


def publish(
    uploads: Sequence[Upload], store: Store, progress: Progress, manner: Manner | None = None
) -> tuple[Published, ...]:
    """Send what the store lacks, in order, and make sure that it arrived.

    Nothing is sent where an immutable file is there with other bytes. Can be run again after
    an interruption: what has arrived is not sent again.

    Raises StoreError, and ConflictError where another publisher was faster.
    """
    manner = manner or Manner()
    planned = foresee(uploads, store, progress, manner)
    for one in planned:
        if one.action is Action.CONFLICT:
            raise _other_bytes(store.locate(one.upload.name))
    lasting = [one for one in planned if one.upload.immutable and one.action is not Action.KEPT]
    send_all(_missing(lasting), store, progress)
    if manner.commit:
        manner.commit(lasting)
    for upload in _missing(one for one in planned if not one.upload.immutable):
        send(upload, store, progress)
    return planned


def hand_over(uploads: Iterable[Upload], dist: DirectoryStore, progress: Progress) -> None:
    """Complete `dist` by the files that stand in memory, for a person to copy them from there."""
    for upload in uploads:
        if isinstance(upload.body, bytes):
            with dist.read(upload.name) as stored:
                there = stored is not None and holds(stored, upload, "comparing", progress)
            if not there:
                progress.start(f"writing {upload.name}", total=upload.size)
                dist.write(replace(upload, only_if=None), progress.advance)
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
    beside = tuple(
        of_file(file, digest.size, digest.sha256, first_stays=file.name == artifact.provenance)
        for file, digest in companions(artifact, path.parent)
    )
    return Tarball(artifact, path, size, sha256, latest == sha256, beside)


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
        sha256 = hash_of(f"checking {name}", stored, progress)
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


def _entries(names: Sequence[str], store: Store) -> list[Entry | None]:
    """Look at each file; where there are many, only at those that a list of the store has.

    A store whose list is late says so at the write, which has a condition.
    """
    listed = frozenset(names)
    if len(names) >= _MANY:
        listed = store.names(commonprefix(names))  # noqa: RUF071 - names, not paths
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        there = [name for name in names if name in listed]
        found = dict(zip(there, pool.map(store.look, there), strict=True))
    return [found.get(name) for name in names]


def _decide(
    upload: Upload, there: Entry | None, store: Store, progress: Progress, *, verify: bool
) -> Action:
    if there is None:
        return Action.SENT
    if _is_same(there, upload, store, progress, verify=verify):
        return Action.UNCHANGED
    if upload.first_stays:
        return Action.KEPT
    return Action.CONFLICT if upload.immutable else Action.REPLACED


def _is_same(
    there: Entry, upload: Upload, store: Store, progress: Progress, *, verify: bool
) -> bool:
    """Tell whether a file that is there has the bytes of `upload`.

    Reads them only where no SHA-256 stands beside them, or where all are to be verified.
    """
    if there.size != upload.size:
        return False
    if there.sha256 is not None and not verify:
        return there.sha256 == upload.sha256
    with store.read(upload.name) as stored:
        return stored is not None and holds(stored, upload, "comparing", progress)


def _other_bytes(place: str) -> ConflictError:
    return ConflictError(
        f"{place} is there already, with other bytes",
        why="what was published under a version never changes: hosts and caches keep it, and "
        "install scripts pin its hash",
        hint="release it under a new version; nothing was sent",
    )


def _missing(planned: Iterable[Published]) -> list[Upload]:
    return [one.upload for one in planned if one.action not in (Action.UNCHANGED, Action.KEPT)]
