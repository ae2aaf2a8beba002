"""The files below metadata/ of a store, one at a time: reads, verifies and writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Generic, TypeVar

from tuf.api.metadata import Metadata, Root, Snapshot, T, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from toolkit.errors import ConflictError, TrustError
from toolkit.store import Store
from toolkit.trust import verify
from toolkit.trust.model import (
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Delegation,
    Repository,
    delegated,
)
from toolkit.trust.sign import require
from toolkit.uploads import Absent, Precondition, Unchanged, Upload, of_bytes

FOLDER = "metadata"
TIMESTAMP_FILE = f"{TIMESTAMP}.json"
# Above what a client of TUF takes; a store that sends more is not to fill the memory.
_ROLE_FILE = re.compile(r"\d+\..+\.json")
_LIMIT = 16 * 1024 * 1024
# What python-tuf's client takes of a role.
HOST_LIMIT = 5_000_000
_MAX_ROOTS = 1024
# How many versions may be passed over that a stopped publisher has left behind.
_MAX_LEFTOVERS = 1000
D = TypeVar("D", bound=Root | Targets)


@dataclass(frozen=True)
class Written(Generic[T]):
    """Metadata and its bytes, as they stand in the store."""

    metadata: Metadata[T]
    data: bytes


def load(store: Store, trusted_root: bytes, also: Sequence[Root] = ()) -> Repository | None:
    """Read and verify the current set, from the root down; None where there is no timestamp.

    What has expired is given all the same, so that it can be replaced. `also` are roots whose
    keys count too, while one root takes the place of another.

    Raises TrustError where anything does not verify, StoreError where it cannot be read.
    """
    root = newest_root(store, trusted_root)
    found = read(store, TIMESTAMP_FILE)
    if found is None:
        return None
    roots = (root.signed, *also)
    timestamp = read_timestamp(found[0], roots)
    snapshot = read_snapshot(store, timestamp.signed, roots)
    targets = read_targets(store, TARGETS, snapshot.signed, roots)
    roles = {
        role: read_targets(store, role, snapshot.signed, (targets.signed,))
        for role in delegated(targets.signed)
    }
    return Repository(root, targets, snapshot, timestamp, roles, found[1])


def read(store: Store, file: str) -> tuple[bytes, str] | None:
    """Read a file below metadata/ and its etag; None where it is not there."""
    name = f"{FOLDER}/{file}"
    with store.read(name) as stored:
        if stored is None:
            return None
        if stored.size > _LIMIT:
            raise TrustError(
                f"{store.locate(name)} has {stored.size} bytes",
                why=f"metadata is never longer than {_LIMIT}",
                hint="find out who can write to the store; docs/keys.md, Recovery",
            )
        return b"".join(stored.chunks), stored.etag


def must_read(store: Store, file: str) -> bytes:
    """Read a file that other metadata names; raises TrustError where it is not there."""
    found = read(store, file)
    if found is None:
        raise TrustError(
            f"{store.locate(f'{FOLDER}/{file}')} is missing",
            why="the metadata before it names it, so somebody has deleted it",
            hint="run `toolkit refresh --rebuild`, or bring the store's backup back",
        )
    return found[0]


def newest_root(store: Store, trusted: bytes) -> Metadata[Root]:
    """Walk from the root that the project trusts to the newest one, each verified by the last."""
    root = verify.first_root(trusted)
    for _ in range(_MAX_ROOTS):
        following = read(store, f"{root.signed.version + 1}.{ROOT}.json")
        if following is None:
            return root
        root = verify.next_root(following[0], root.signed)
    raise TrustError(
        f"{store.locate(FOLDER)} has more than {_MAX_ROOTS} roots",
        why="nobody rotates keys that often",
        hint="find out who can write to the store; docs/keys.md, Recovery",
    )


def read_timestamp(data: bytes, roots: Sequence[Root]) -> Metadata[Timestamp]:
    """Verify the timestamp by the first of `roots` that its keys belong to."""
    return _by_any(roots, lambda root: verify.timestamp(data, root))


def read_snapshot(store: Store, timestamp: Timestamp, roots: Sequence[Root]) -> Metadata[Snapshot]:
    """Read the snapshot that the timestamp names."""
    meta = timestamp.snapshot_meta
    data = must_read(store, f"{meta.version}.{SNAPSHOT}.json")
    return _by_any(roots, lambda root: verify.snapshot(data, root, meta))


def read_targets(
    store: Store, role: str, snapshot: Snapshot, delegators: Sequence[Root | Targets]
) -> Metadata[Targets]:
    """Read the metadata of targets or of a delegated role that the snapshot names."""
    meta = snapshot.meta.get(f"{role}.json")
    if meta is None:
        raise TrustError(
            f"the snapshot does not name {role}.json",
            why=f"{role} is delegated to, and its metadata is not published",
            hint="run `toolkit refresh --rebuild`",
        )
    data = must_read(store, f"{meta.version}.{role}.json")
    return _by_any(delegators, lambda one: verify.targets(role, data, one, meta))


def highest(
    store: Store, names: Iterable[str], role: str, delegator: Root | Targets
) -> Written[Targets]:
    """Read the highest version of the role's metadata that its keys have signed.

    Raises TrustError where there is none.
    """
    for version in sorted(versions(names, role), reverse=True):
        data = must_read(store, f"{version}.{role}.json")
        try:
            metadata = verify.targets(role, data, delegator, None)
        except TrustError:
            continue
        if metadata.signed.version == version:
            return Written(metadata, data)
    raise TrustError(
        f"no metadata of {role} in {store.locate(FOLDER)} verifies",
        why="it was deleted, or its keys were replaced since",
        hint=f"bring the store's backup back, or start the role anew: toolkit keys rotate {role}"
        if role != TARGETS
        else "bring the store's backup back",
    )


def releases_in(store: Store) -> Iterator[str]:
    """Give the names of metadata that vouches for files, be it trusted or not."""
    for name in sorted(store.names(f"{FOLDER}/")):
        file = name.removeprefix(f"{FOLDER}/")
        if _ROLE_FILE.fullmatch(file):
            try:
                payload = Metadata.from_bytes(must_read(store, file)).signed
            except DeserializationError:
                continue
            if isinstance(payload, Targets) and payload.targets:
                yield name


def versions(names: Iterable[str], role: str) -> list[int]:
    """Give the versions of the role's metadata among the names of files."""
    found = (re.fullmatch(rf"{FOLDER}/(\d+)\.{re.escape(role)}\.json", name) for name in names)
    return [int(match[1]) for match in found if match]


def next_version(names: Iterable[str], role: str, current: int) -> int:
    """Give the first version of the role's metadata after `current` that is free."""
    taken = set(versions(names, role))
    return next(number for number in count(current + 1) if number not in taken)


def unwritten(file: str, only_if: Precondition) -> Upload:
    """Give the upload of a file below metadata/ that has no bytes yet, nor a hash."""
    empty = of_bytes(f"{FOLDER}/{file}", b"", immutable=file != TIMESTAMP_FILE)
    return replace(empty, only_if=only_if, sha256="")


def write_next(
    store: Store, role: str, version: int, make: Callable[[int], Metadata[T]]
) -> Written[T]:
    """Write the role's next metadata under the first version from `version` on that is free.

    A version that is taken was left there by a publisher that was stopped or came second: no
    timestamp names it, and hosts let versions be passed over.
    """
    for number in range(version, version + _MAX_LEFTOVERS):
        metadata = make(number)
        data = metadata.to_bytes()
        if len(data) > HOST_LIMIT:
            raise TrustError(
                f"the metadata of {role} would have {len(data)} bytes",
                why=f"hosts read no more than {HOST_LIMIT}, so nothing was published",
                hint=f"take old versions out: toolkit prune {role} --keep 100",
            )
        try:
            _write(store, f"{number}.{role}.json", data, Absent())
        except ConflictError:
            continue
        return Written(metadata, data)
    raise ConflictError(
        f"no version of {role} is free in {store.locate(FOLDER)}",
        why=f"{_MAX_LEFTOVERS} versions after the current one are taken",
        hint="find out who writes to the store; docs/keys.md, Recovery",
    )


def write_signed(
    store: Store, role: str, metadata: Metadata[T], delegations: Iterable[Delegation]
) -> Written[T]:
    """Write metadata that was signed elsewhere, under its own version.

    What an earlier run has written there is taken, if it says the same. Raises MissingKeysError
    where signatures are missing, ConflictError where the version is taken.
    """
    for each in delegations:
        require(metadata, each)
    file, data = f"{metadata.signed.version}.{role}.json", metadata.to_bytes()
    try:
        _write(store, file, data, Absent())
    except ConflictError:
        if must_read(store, file) != data:
            raise
    return Written(metadata, data)


def write_root(store: Store, root: Metadata[Root]) -> None:
    """Write a root; raises ConflictError where another one of its version is there."""
    file, data = f"{root.signed.version}.{ROOT}.json", root.to_bytes()
    try:
        _write(store, file, data, Absent())
    except ConflictError:
        if must_read(store, file) != data:
            raise


def write_timestamp(store: Store, timestamp: Metadata[Timestamp], etag: str | None) -> str:
    """Put the timestamp in the place of the one with `etag`, or of none; give its own etag.

    Raises ConflictError where another one is there.
    """
    data = timestamp.to_bytes()
    _write(store, TIMESTAMP_FILE, data, Unchanged(etag) if etag else Absent())
    found = read(store, TIMESTAMP_FILE)
    return found[1] if found and found[0] == data else ""


def _write(store: Store, file: str, data: bytes, only_if: Precondition) -> None:
    immutable = file != TIMESTAMP_FILE
    upload = of_bytes(f"{FOLDER}/{file}", data, immutable=immutable)
    store.write(replace(upload, only_if=only_if), lambda _: None)


def _by_any(delegators: Sequence[D], check: Callable[[D], Metadata[T]]) -> Metadata[T]:
    """Verify by the first delegator that it fits, else raise the first one's fault."""
    fault: TrustError | None = None
    for delegator in delegators:
        try:
            return check(delegator)
        except TrustError as error:
            fault = fault or error
    raise fault or ValueError("nobody to verify by")
