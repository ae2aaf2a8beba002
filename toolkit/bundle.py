"""The story of `toolkit bundle`: one file with all that an installation needs, for no network."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from toolkit import engine
from toolkit.artifact import Artifact, checksum_file
from toolkit.dist import part_of
from toolkit.errors import ConflictError, IntegrityError, NotFoundError, StoreError, TrustError
from toolkit.host.bundled import CONTENTS, Contents, Member
from toolkit.host.tarwriter import DEFAULT_EPOCH, Content, Digest, Hashing, TarWriter
from toolkit.install_script import Choices, render_for
from toolkit.metadata_files import FOLDER, TIMESTAMP_FILE, read
from toolkit.progress import Progress
from toolkit.repository import catalog_of, require
from toolkit.spec import AgentSpec
from toolkit.store import Store
from toolkit.trust.model import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Repository

ANY = "any"
_TRIES = 3
Open = Callable[[], AbstractContextManager[Content]]


@dataclass(frozen=True)
class Part:
    """A file of a bundle, and what opens it."""

    member: Member
    open: Open
    mode: int = 0o644


@dataclass(frozen=True)
class Bundle:
    """What goes into one file, in order; `until` is when its metadata runs out."""

    name: str
    version: str
    platforms: tuple[str, ...]
    until: datetime | None
    parts: tuple[Part, ...]

    @property
    def file(self) -> str:
        """The name that it gets where nobody names another."""
        return "-".join([f"{self.name}-v{self.version}", *self.platforms]) + ".bundle.tar"


@dataclass(frozen=True)
class Signed:
    """A store with signed metadata, the root that leads to it, and the time that it is now."""

    store: Store
    root: bytes
    now: datetime


def from_store(
    spec: AgentSpec, platforms: Sequence[str], signed: Signed, choices: Choices
) -> Bundle:
    """Gather the version of `spec` for `platforms` (all of them for none) as it was published.

    Raises NotFoundError where it was not, TrustError where its metadata does not hold or has
    run out, or where it was taken back.
    """
    repository, timestamp = _repository(signed)
    listed = {
        one.target.platform or ANY: one
        for one in catalog_of(repository, spec.name).of(spec.release_version)
        if one.target.kind == "release" and one.target.compression == "gzip"
    }
    where = signed.store.locate("")
    chosen = _chosen(spec, platforms, list(listed), where)
    for platform in chosen:
        _refuse_yanked(spec, listed[platform].target.yanked)
    tarballs = [
        _stored(signed.store, Member(one.path, one.size, one.sha256))
        for one in (listed[platform] for platform in chosen)
    ]
    metadata, until = _metadata(signed, repository, spec.name, timestamp)
    parts = (*_first(spec, Path(), choices), *metadata, *tarballs)
    return Bundle(spec.name, spec.release_version, chosen, until, parts)


def from_folder(
    spec: AgentSpec, platforms: Sequence[str], dist: Path, store: Store, choices: Choices
) -> Bundle:
    """Gather what was built into `dist`, which is also `store`: a script pins its SHA-256.

    Raises NotFoundError where it was not built.
    """
    built = {}
    for platform in (None, *spec.platforms):
        tarball = Artifact(spec.name, spec.release_version, platform).tarball
        if (dist / tarball).is_file() and (dist / checksum_file(tarball)).is_file():
            digest = (dist / checksum_file(tarball)).read_text("ascii").split()[0]
            built[platform or ANY] = Member(tarball, (dist / tarball).stat().st_size, digest)
    chosen = _chosen(spec, platforms, list(built), str(dist))
    tarballs = [_stored(store, built[platform]) for platform in chosen]
    parts = (*_first(spec, dist, choices), *tarballs)
    return Bundle(spec.name, spec.release_version, chosen, None, parts)


def write(bundle: Bundle, out: Path, progress: Progress) -> Digest:
    """Write the bundle to `out`, whole or not at all: the same bytes for the same store.

    Raises IntegrityError where a file is not what was published, StoreError where it can't be
    read or `out` not be written.
    """
    progress.start(f"writing {out}", total=sum(part.member.size for part in bundle.parts))
    try:
        with part_of(out) as unfinished:
            with unfinished.open("wb") as file:
                output = Hashing(file.write)
                _write(bundle, TarWriter(output.write, DEFAULT_EPOCH), progress)
            unfinished.replace(out)
    except OSError as error:
        raise StoreError(
            f"could not write {out}",
            why=error.strerror or str(error),
            hint="make room, or name another file by --out",
        ) from error
    progress.finish()
    return output.digest()


def _write(bundle: Bundle, tar: TarWriter, progress: Progress) -> None:
    until = bundle.until.isoformat(timespec="seconds") if bundle.until else None
    members = tuple(part.member for part in bundle.parts)
    contents = Contents(bundle.name, bundle.version, bundle.platforms, until, members)
    for part in (_of_bytes(CONTENTS, contents.to_json().encode()), *bundle.parts):
        _add(tar, part, progress)
    tar.close()


def _add(tar: TarWriter, part: Part, progress: Progress) -> None:
    member, digest = part.member, sha256()

    def seen(chunk: memoryview) -> None:
        digest.update(chunk)
        progress.advance(len(chunk))

    with part.open() as source:
        left = tar.file(member.path, part.mode, member.size, source, seen)
    if left or digest.hexdigest() != member.sha256:
        raise IntegrityError(
            f"{member.path} is not the file that was published",
            why="its length or its SHA-256 differs",
            hint="find out who changed it, then upload the release again",
        )


def _first(spec: AgentSpec, dist: Path, choices: Choices) -> list[Part]:
    agentctl = engine.build()
    script = render_for(spec, dist, choices)
    # The script looks for agentctl, so that one comes first: the rest need not be read for it.
    return [
        _of_bytes(agentctl.name, agentctl.data),
        _of_bytes(script.path, script.text.encode(), script.mode),
    ]


def _chosen(
    spec: AgentSpec, platforms: Sequence[str], known: Sequence[str], where: str
) -> tuple[str, ...]:
    """Take the tarballs for `platforms`; one that fits every platform serves for each."""
    wanted = [ANY] if ANY in known else (platforms or known)
    missing = [platform for platform in wanted if platform not in known]
    if missing or not wanted:
        raise NotFoundError(
            f"{spec.name} {spec.release_version} for {', '.join(missing) or 'any platform'} "
            f"is not in {where}",
            why=f"what is there is for {', '.join(known)}" if known else "no such version is there",
            hint=f"look at `toolkit releases {spec.name}`, or release and upload it first",
        )
    return tuple(sorted(set(wanted)))


def _refuse_yanked(spec: AgentSpec, reason: str | None) -> None:
    if reason is not None:
        raise TrustError(
            f"{spec.name} {spec.release_version} was taken back",
            why=reason or "no reason was given",
            hint="bundle another version: no host would install this one",
        )


def _repository(signed: Signed) -> tuple[Repository, bytes]:
    """Load the set that the timestamp names, and the timestamp's bytes."""
    for _ in range(_TRIES):
        repository = require(signed.store, signed.root)
        found = read(signed.store, TIMESTAMP_FILE)
        if found is not None and found[1] == repository.etag:
            return repository, found[0]
    raise ConflictError(
        "the store's metadata changed while it was read",
        why="somebody publishes",
        hint="run the same command again",
    )


def _metadata(
    signed: Signed, repository: Repository, agent: str, timestamp: bytes
) -> tuple[list[Part], datetime]:
    """Give the metadata that leads to the agent's role, and when the first of it runs out."""
    roles = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP, agent)
    ends = {role: repository.payload(role).expires for role in roles}
    first = min(ends, key=lambda role: ends[role])
    if ends[first] <= signed.now:
        raise TrustError(
            f"the store's {first} metadata ran out on {ends[first]:%Y-%m-%d %H:%M} UTC",
            why="no host would believe the bundle",
            hint="sign it anew by `toolkit refresh`, then make the bundle",
        )
    roots = [f"{version}.{ROOT}.json" for version in range(1, repository.root.signed.version + 1)]
    others = [
        f"{repository.payload(role).version}.{role}.json" for role in (SNAPSHOT, TARGETS, agent)
    ]
    found = {name: read(signed.store, name) for name in (*roots, *others)}
    data = {name: each[0] for name, each in found.items() if each is not None}
    data[TIMESTAMP_FILE] = timestamp
    return [_of_bytes(f"{FOLDER}/{name}", data[name]) for name in sorted(data)], ends[first]


def _of_bytes(path: str, data: bytes, mode: int = 0o644) -> Part:
    member = Member(path, len(data), sha256(data).hexdigest())
    return Part(member, lambda: nullcontext(io.BytesIO(data)), mode)


def _stored(store: Store, member: Member) -> Part:
    @contextmanager
    def opened() -> Iterator[Content]:
        with store.read(member.path) as stored:
            if stored is None:
                raise NotFoundError(
                    f"{store.locate(member.path)} is missing",
                    why="it was deleted, or never arrived",
                    hint="upload the release again",
                )
            yield io.BufferedReader(_Chunks(stored.chunks))

    return Part(member, opened)


class _Chunks(io.RawIOBase):
    """Reads what comes in chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
