"""Verification of a set of metadata: bytes in, trusted metadata out.

In this order, as in the client workflow of the TUF specification (section 5): each root by the one
before it and by itself; the timestamp by the root; the snapshot by the root and by what the
timestamp says of it; targets and delegated roles by their delegators and by what the snapshot says
of them. Expiry is no fault here: a publisher must be able to replace what has expired, so it is
looked at apart (`toolkit.trust.expiry`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, T, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from toolkit.errors import TrustError
from toolkit.trust.model import ROOT, SNAPSHOT, TIMESTAMP, Delegation


def first_root(data: bytes) -> Metadata[Root]:
    """Read the root that the project trusts to begin with; it must be signed by itself."""
    with _faults(ROOT, "the root that this project trusts"):
        metadata = _parse(Root, data)
        metadata.signed.verify_delegate(ROOT, metadata.signed_bytes, metadata.signatures)
    return metadata


def next_root(data: bytes, trusted: Root) -> Metadata[Root]:
    """Verify the root that follows `trusted`: signed by the keys of both, the version one more."""
    version = trusted.version + 1
    with _faults(ROOT, f"{version}.root.json"):
        metadata = _parse(Root, data)
        if metadata.signed.version != version:
            raise TrustError(
                f"{version}.root.json holds version {metadata.signed.version}",
                why="somebody has put another root in its place",
                hint="find out who can write to the store; docs/keys.md, Recovery",
            )
        for root in (trusted, metadata.signed):
            root.verify_delegate(ROOT, metadata.signed_bytes, metadata.signatures)
    return metadata


def timestamp(data: bytes, root: Root) -> Metadata[Timestamp]:
    """Verify the timestamp by the root's keys."""
    with _faults(TIMESTAMP, "timestamp.json"):
        metadata = _parse(Timestamp, data)
        root.verify_delegate(TIMESTAMP, metadata.signed_bytes, metadata.signatures)
    return metadata


def snapshot(data: bytes, root: Root, expected: MetaFile) -> Metadata[Snapshot]:
    """Verify the snapshot by the root's keys and by what the timestamp says of it."""
    with _faults(SNAPSHOT, f"{expected.version}.snapshot.json"):
        expected.verify_length_and_hashes(data)
        metadata = _parse(Snapshot, data)
        root.verify_delegate(SNAPSHOT, metadata.signed_bytes, metadata.signatures)
        _same_version(SNAPSHOT, metadata.signed, expected)
    return metadata


def targets(
    role: str, data: bytes, delegator: Root | Targets, expected: MetaFile | None
) -> Metadata[Targets]:
    """Verify targets or a delegated role by its delegator and by what the snapshot says of it."""
    with _faults(role, f"{role}.json"):
        if expected is not None:
            expected.verify_length_and_hashes(data)
        metadata = _parse(Targets, data)
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        if expected is not None:
            _same_version(role, metadata.signed, expected)
    return metadata


def signatures(metadata: Metadata[T], delegation: Delegation) -> frozenset[str]:
    """Give the ids of the delegation's keys that have signed `metadata`, each one checked."""
    return frozenset(
        keyid for keyid, key in delegation.keys.items() if _has_signed(metadata, keyid, key)
    )


def _has_signed(metadata: Metadata[T], keyid: str, key: Key) -> bool:
    if keyid not in metadata.signatures:
        return False
    try:
        key.verify_signature(metadata.signatures[keyid], metadata.signed_bytes)
    except UnverifiedSignatureError:
        return False
    return True


def _parse(kind: type[T], data: bytes) -> Metadata[T]:
    metadata: Metadata[T] = Metadata.from_bytes(data)
    if metadata.signed.type != kind.type:
        raise RepositoryError(f"it is of the type {metadata.signed.type}")
    return metadata


def _same_version(role: str, found: Signed, expected: MetaFile) -> None:
    if found.version != expected.version:
        raise RepositoryError(f"{role} has version {found.version}, not {expected.version}")


@contextmanager
def _faults(role: str, file: str) -> Iterator[None]:
    try:
        yield
    except (RepositoryError, DeserializationError, ValueError, KeyError, TypeError) as error:
        raise TrustError(
            f"{file} cannot be trusted",
            why=f"the metadata of {role} does not verify: {error}",
            hint="nothing was changed; somebody else may have written to the store, or a key was "
            "replaced: docs/keys.md, Recovery",
        ) from error
