"""A verified set of metadata, and what is to become of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Role, Root, Signed, Snapshot, Targets, Timestamp

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
TOP_LEVEL = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
ONLINE = (SNAPSHOT, TIMESTAMP)
# The role that vouches for the host engine; every other delegated role is an agent's.
ENGINE = "agentctl"


@dataclass(frozen=True)
class Lifetimes:
    """After how many days the metadata of each role expires."""

    root: int = 365
    targets: int = 90
    snapshot: int = 7
    timestamp: int = 1
    agents: int = 90

    def of(self, role: str) -> timedelta:
        """Give the lifetime of the metadata of `role`."""
        return timedelta(days=getattr(self, role if role in TOP_LEVEL else "agents"))


@dataclass(frozen=True)
class Repository:
    """The current set: verified from the root down, and never changed in place.

    `roles` are the delegated ones; `etag` is the stored timestamp's, None before there is one.
    """

    root: Metadata[Root]
    targets: Metadata[Targets]
    snapshot: Metadata[Snapshot]
    timestamp: Metadata[Timestamp]
    roles: Mapping[str, Metadata[Targets]]
    etag: str | None = None

    def payload(self, role: str) -> Signed:
        """Give what the role's metadata says."""
        for name, payload in self.payloads():
            if name == role:
                return payload
        raise KeyError(role)

    def payloads(self) -> Iterator[tuple[str, Signed]]:
        """Give each role with what its metadata says, from the root down."""
        yield ROOT, self.root.signed
        yield TARGETS, self.targets.signed
        for name, metadata in sorted(self.roles.items()):
            yield name, metadata.signed
        yield SNAPSHOT, self.snapshot.signed
        yield TIMESTAMP, self.timestamp.signed

    def delegation(self, role: str) -> Delegation:
        """Give whose signatures count for `role`; raises KeyError where there is no such role."""
        return delegation(role, self.root.signed, self.targets.signed)


@dataclass(frozen=True)
class Delegation:
    """Whose signatures count for a role: so many (`threshold`) of `keys`, by their ids."""

    role: str
    keys: Mapping[str, Key]
    threshold: int


@dataclass(frozen=True)
class Draft:
    """What is to change: new payloads by role, unsigned, and perhaps a new root.

    A payload that is equal to the current one is signed anew. Versions, expiry, snapshot and
    timestamp follow by themselves. `snapshot` and `timestamp` ask for these to be signed anew.
    `signed` is metadata of root and targets that others have signed, and that goes up as it is.
    """

    roles: Mapping[str, Targets] = field(default_factory=dict)
    root: Root | None = None
    snapshot: bool = False
    timestamp: bool = False
    signed: Mapping[str, Metadata[Any]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.roles or self.root or self.snapshot or self.timestamp)


def delegation(role: str, root: Root, targets: Targets | None) -> Delegation:
    """Find whose signatures count for `role`; raises KeyError where there is no such role."""
    if role in root.roles:
        found: Role = root.roles[role]
        keys = root.keys
    else:
        delegations = targets.delegations if targets else None
        if delegations is None or delegations.roles is None:
            raise KeyError(role)
        found, keys = delegations.roles[role], delegations.keys
    return Delegation(role, {keyid: keys[keyid] for keyid in found.keyids}, found.threshold)


def delegated(targets: Targets) -> tuple[str, ...]:
    """Give the names of the roles that `targets` delegates to."""
    roles = targets.delegations.roles if targets.delegations else None
    return tuple(roles or ())
