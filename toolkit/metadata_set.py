"""A set of metadata as it is written: what has a version in its name once, the timestamp last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Root, T, Targets

from toolkit import metadata_files as files
from toolkit.store import Store
from toolkit.trust import sign
from toolkit.trust.model import (
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    TOP_LEVEL,
    Delegation,
    Draft,
    Lifetimes,
    Repository,
    delegation,
)


class Signers(Protocol):
    """What publishing needs of a project's keys (`toolkit.keyring.Keyring`)."""

    @property
    def lifetimes(self) -> Lifetimes:
        """How long what is signed holds."""

    def trusted_root(self) -> bytes:
        """Read the root that this project trusts to begin with."""

    def signers(self, delegation: Delegation) -> Sequence[Signer]:
        """Open the keys of the delegation that are at hand."""


@dataclass(frozen=True)
class Publisher:
    """Where metadata is published, who signs it, and when."""

    store: Store
    signers: Signers
    now: datetime


def write_set(
    at: Publisher,
    current: Repository,
    draft: Draft,
    roots: Sequence[Root] = (),
    written: Mapping[str, files.Written[Targets]] | None = None,
) -> Repository:
    """Write what changes: targets, roles, the snapshot, and the timestamp last of all.

    `roots` are those whose keys must have signed; without any, the current one. `written` are
    roles that are there already.
    """
    writing = Writing(at, current, draft, roots or (current.root.signed,))
    written = writing.roles() if written is None else written
    next_of = writing.next_of
    snapshot, described = current.snapshot, current.timestamp.signed.snapshot_meta
    if written or draft.snapshot:
        meta = {role: _described(one) for role, one in written.items()}
        payload = sign.new_snapshot(snapshot.signed, meta)
        new = next_of(SNAPSHOT, payload, snapshot.signed.version + 1)
        snapshot, described = new.metadata, _described(new)
    stamp = sign.new_timestamp(current.timestamp.signed, described)
    timestamp = next_of(TIMESTAMP, stamp, current.timestamp.signed.version + 1).metadata
    etag = files.write_timestamp(at.store, timestamp, current.etag)
    fresh = {role: one.metadata for role, one in written.items()}
    return Repository(
        current.root,
        fresh.pop(TARGETS, current.targets),
        snapshot,
        timestamp,
        {**current.roles, **fresh},
        etag,
    )


@dataclass(frozen=True)
class Writing:
    """Writes new metadata, signed by the keys of all `roots`."""

    at: Publisher
    current: Repository
    draft: Draft
    roots: Sequence[Root]

    def roles(self) -> dict[str, files.Written[Targets]]:
        """Write targets and roles; nothing names them yet."""
        return {
            role: self.next_of(role, payload, version_of(self.current, role) + 1)
            for role, payload in self.draft.roles.items()
        }

    def next_of(self, role: str, payload: T, version: int) -> files.Written[T]:
        """Write the next metadata of a role, but a timestamp, which is only signed."""
        at = self.at
        targets = self.draft.roles.get(TARGETS, self.current.targets.signed)
        by = [delegation(role, root, targets) for root in self.roots]
        if role in self.draft.signed:
            return files.write_signed(at.store, role, self.draft.signed[role], by)

        def make(number: int) -> Metadata[T]:
            new = sign.prepare(payload, number, at.signers.lifetimes, role, at.now)
            return sign.sign(new, by, at.signers.signers)

        if role == TIMESTAMP:
            metadata = make(version)
            return files.Written(metadata, metadata.to_bytes())
        return files.write_next(at.store, role, version, make)


def version_of(current: Repository, role: str) -> int:
    """Give the version of the role's metadata; 0 where there is none."""
    known = role in TOP_LEVEL or role in current.roles
    return current.payload(role).version if known else 0


def _described(one: files.Written[T]) -> MetaFile:
    return sign.described(one.metadata.signed.version, one.data)
