"""Making and signing metadata. Signers come in as arguments, and so does the time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    T,
    Targets,
    Timestamp,
)

from toolkit.errors import MissingKeysError
from toolkit.host.target import SIGNED_AT
from toolkit.trust import verify
from toolkit.trust.model import ENGINE, TOP_LEVEL, Delegation, Lifetimes

# Gives the signers that are at hand for a role, as many as there are.
SignersOf = Callable[[Delegation], Sequence[Signer]]


def unpublished(payload: T) -> T:
    """Mark `payload` as one that no version of was published."""
    payload.version = 0
    return payload


def new_root(keys: Mapping[str, Sequence[Key]], thresholds: Mapping[str, int]) -> Root:
    """Make the payload of a first root; `keys` and `thresholds` are by top-level role."""
    root = unpublished(Root(consistent_snapshot=True))
    for role in TOP_LEVEL:
        for key in keys[role]:
            root.add_key(key, role)
        root.roles[role].threshold = thresholds.get(role, 1)
    return root


def new_targets(keys: Mapping[str, Sequence[Key]]) -> Targets:
    """Make the payload of first targets, which delegate to the roles that `keys` names."""
    payload = unpublished(Targets(delegations=Delegations({}, {})))
    for role, own in keys.items():
        payload = delegate(payload, role, own, threshold=1)
    return payload


def delegate(payload: Targets, role: str, keys: Sequence[Key], *, threshold: int) -> Targets:
    """Let `keys` sign for `role`, which vouches for the files of one agent alone."""
    changed = copy.deepcopy(payload)
    if changed.delegations is None or changed.delegations.roles is None:
        changed.delegations = Delegations({}, {})
    roles = changed.delegations.roles
    if roles is None:
        raise ValueError("delegations by path have roles")
    roles[role] = DelegatedRole(role, [], threshold, terminating=True, paths=[pattern(role)])
    for key in keys:
        changed.add_key(key, role)
    return changed


def pattern(role: str) -> str:
    """Give the names of files that `role` may vouch for, as a shell pattern."""
    return f"{role}-*" if role == ENGINE else f"{role}-v[0-9]*"


def prepare(payload: T, version: int, lifetimes: Lifetimes, role: str, now: datetime) -> T:
    """Give a copy of `payload` with its new version and expiry.

    A timestamp says when it was signed too: a host whose clock is behind that knows it.
    """
    changed = copy.deepcopy(payload)
    changed.version = version
    changed.expires = (now + lifetimes.of(role)).replace(microsecond=0)
    if isinstance(changed, Timestamp):
        changed.unrecognized_fields[SIGNED_AT] = now.replace(microsecond=0).isoformat()
    return changed


def sign(payload: T, delegations: Iterable[Delegation], signers_of: SignersOf) -> Metadata[T]:
    """Sign `payload` so that it counts for each of `delegations`.

    Raises MissingKeysError where fewer keys are at hand than a delegation asks for.
    """
    metadata = Metadata(payload)
    for delegation in delegations:
        for signer in signers_of(delegation):
            if signer.public_key.keyid not in metadata.signatures:
                metadata.sign(signer, append=True)
        require(metadata, delegation)
    return metadata


def require(metadata: Metadata[T], delegation: Delegation) -> None:
    """Raise MissingKeysError unless enough of the delegation's keys have signed."""
    signed = verify.signatures(metadata, delegation)
    if len(signed) < delegation.threshold:
        lacking = ", ".join(keyid[:12] for keyid in sorted(set(delegation.keys) - signed))
        raise MissingKeysError(
            f"the metadata of {delegation.role} lacks signatures",
            why=f"{delegation.threshold} are needed and {len(signed)} could be made; "
            f"no private key is at hand for {lacking or 'any other key'}",
            hint=f"bring the keys, or name them in [trust] {delegation.role} of toolkit.toml; "
            "`toolkit keys show` says which these are",
        )


def require_at_hand(delegation: Delegation, signers_of: SignersOf) -> None:
    """Raise MissingKeysError unless enough of the delegation's keys can sign."""
    # Nothing of this leaves the process: it only shows that the keys work.
    sign(Timestamp(version=1), [delegation], signers_of)


def new_snapshot(current: Snapshot, changed: Mapping[str, MetaFile]) -> Snapshot:
    """Give a snapshot's payload that names the new metadata of each changed role."""
    payload = copy.deepcopy(current)
    for role, meta in changed.items():
        payload.meta[f"{role}.json"] = meta
    return payload


def new_timestamp(current: Timestamp, snapshot: MetaFile) -> Timestamp:
    """Give a timestamp's payload that names the new snapshot."""
    payload = copy.deepcopy(current)
    payload.snapshot_meta = snapshot
    return payload


def described(version: int, data: bytes) -> MetaFile:
    """Say of a role's metadata what its delegator's side vouches for: version, length, SHA-256."""
    return MetaFile.from_data(version, data, ["sha256"])
