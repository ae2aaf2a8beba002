"""Writing a set of metadata, in the order in which a reader never sees half of it.

What has a version in its name is written once; the timestamp goes up last, by compare-and-swap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from toolkit import metadata_files as files
from toolkit.errors import ConflictError, MissingKeysError, TrustError
from toolkit.metadata_set import Publisher, Writing, version_of, write_set
from toolkit.store import Store
from toolkit.trust import sign
from toolkit.trust.expiry import due
from toolkit.trust.model import (
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Delegation,
    Draft,
    Repository,
    delegated,
    delegation,
)
from toolkit.uploads import Absent, Unchanged, Upload

TRIES = 5


def create(at: Publisher, root: Metadata[Root], targets: Targets) -> Repository:
    """Publish the first set of a store: `root`, and targets that delegate to the agents' roles.

    Can be run again after an interruption.

    Raises ConflictError where the store has another root, or a timestamp.
    """
    files.write_root(at.store, root)
    roles = {role: Targets() for role in delegated(targets)}
    return write_set(at, _nothing(root), Draft({TARGETS: targets, **roles}))


def commit(at: Publisher, current: Repository, draft: Draft) -> Repository:
    """Publish `draft`, which was made of `current`.

    Raises ConflictError where the store has changed since; nothing that a reader sees was
    changed then.
    """
    if draft.root is not None:
        return _commit_root(at, current, draft, draft.root)
    _refuse_expired(at, current, draft)
    return write_set(at, current, draft)


def foresee(store: Store, current: Repository, draft: Draft) -> tuple[Upload, ...]:
    """Give the files that `commit` would write of a draft without a root, in order and empty."""
    if draft.empty:
        return ()
    names = store.names(f"{files.FOLDER}/")
    roles = (*draft.roles, *([SNAPSHOT] if draft.roles or draft.snapshot else []))
    versions = {role: files.next_version(names, role, version_of(current, role)) for role in roles}
    named = [f"{version}.{role}.json" for role, version in versions.items()]
    swap = Unchanged(current.etag) if current.etag else Absent()
    return (
        *(files.unwritten(name, Absent()) for name in named),
        files.unwritten(files.TIMESTAMP_FILE, swap),
    )


def rebuild(at: Publisher) -> Repository:
    """Make snapshot and timestamp anew, whatever stands there; give the new set.

    Of targets and of each delegated role, the highest version that its keys have signed is taken:
    for a store whose timestamp or snapshot is lost, damaged, or signed by a stolen key.

    Raises TrustError where a role has no metadata that verifies.
    """
    root = files.newest_root(at.store, at.signers.trusted_root())
    names = at.store.names(f"{files.FOLDER}/")
    targets = files.highest(at.store, names, TARGETS, root.signed)
    found = {
        role: files.highest(at.store, names, role, targets.metadata.signed)
        for role in delegated(targets.metadata.signed)
    }
    meta = {
        f"{role}.json": sign.described(one.metadata.signed.version, one.data)
        for role, one in {TARGETS: targets, **found}.items()
    }
    there = files.read(at.store, files.TIMESTAMP_FILE)
    # Hosts refuse versions lower than those that they have seen.
    last = max(files.versions(names, SNAPSHOT), default=0)
    seen = max(last, _claimed_version(there[0]) if there else 0)
    snapshot, timestamp = Snapshot(meta=meta), Timestamp()
    snapshot.version, timestamp.version = last, seen
    current = Repository(
        root,
        targets.metadata,
        Metadata(snapshot),
        Metadata(timestamp),
        {role: one.metadata for role, one in found.items()},
        there[1] if there else None,
    )
    return write_set(at, current, Draft(snapshot=True))


def _commit_root(at: Publisher, current: Repository, draft: Draft, payload: Root) -> Repository:
    """Put a new root in the place of the current one, so that no reader is ever left out.

    First everything is signed by the keys of both roots; then the new root goes up; then snapshot
    and timestamp are signed by its keys alone. Where an old key is lost or must not be used, the
    new root goes up first: until the timestamp follows, hosts that look refuse it, and come back.
    """
    old = current.root.signed
    root = _next_root(at, old, draft, payload)
    new = root.signed
    top = [
        role for role in (TARGETS, SNAPSHOT, TIMESTAMP) if role != TARGETS or TARGETS in draft.roles
    ]
    for role in top:
        _require_keys(at, delegation(role, new, None), draft)
    rest, written = draft, None
    if all(_has_keys(at, delegation(role, old, None), draft) for role in top):
        current = write_set(at, current, replace(draft, snapshot=True), (old, new))
        rest = Draft()
    else:
        # Where this ends right after the new root, `rebuild` finds what the new keys have signed.
        written = Writing(at, current, draft, (new,)).roles()
    files.write_root(at.store, root)
    rest = replace(rest, root=None, snapshot=True)
    return _settle(at, replace(current, root=root), rest, old, written)


def _settle(
    at: Publisher,
    current: Repository,
    draft: Draft,
    old: Root,
    written: Mapping[str, files.Written[Targets]] | None,
) -> Repository:
    """Sign by the new root's keys alone, also where somebody publishes at the same time."""
    for _ in range(TRIES):
        try:
            return write_set(at, current, draft, written=written)
        except ConflictError:
            written = None
            newer = files.load(at.store, at.signers.trusted_root(), also=(old,))
            current = newer or replace(current, etag=None)
            # An agent's files may be newer than those of the draft, which changes keys alone.
            fresh = {
                role: current.roles[role].signed for role in draft.roles if role in current.roles
            }
            draft = replace(draft, roles={**draft.roles, **fresh})
    raise ConflictError(
        "the new root is there, and the timestamp still is the old one",
        why=f"others published at the same time, {TRIES} times",
        hint="run `toolkit refresh --rebuild`",
    )


def _next_root(at: Publisher, old: Root, draft: Draft, payload: Root) -> Metadata[Root]:
    """Give the new root, signed by the keys of both: here, or by others before."""
    root = draft.signed.get(ROOT)
    if root is None:
        new = sign.prepare(payload, old.version + 1, at.signers.lifetimes, ROOT, at.now)
        both = [delegation(ROOT, each, None) for each in (old, new)]
        return sign.sign(new, both, at.signers.signers)
    for each in (old, payload):
        sign.require(root, delegation(ROOT, each, None))
    return root


def _require_keys(at: Publisher, by: Delegation, draft: Draft) -> None:
    """Raise MissingKeysError unless the role was signed for already, or can be."""
    if by.role in draft.signed:
        sign.require(draft.signed[by.role], by)
    else:
        sign.require_at_hand(by, at.signers.signers)


def _has_keys(at: Publisher, by: Delegation, draft: Draft) -> bool:
    try:
        _require_keys(at, by, draft)
    except MissingKeysError:
        return False
    return True


def _refuse_expired(at: Publisher, current: Repository, draft: Draft) -> None:
    """Stop where hosts would refuse what is published, for metadata that it leaves as it is."""
    if not set(draft.roles) - {TARGETS}:
        return
    for one in due(current, at.signers.lifetimes, at.now):
        if one.expired and one.role in {ROOT, TARGETS} and one.role not in draft.roles:
            raise TrustError(
                f"the metadata of {one} ago",
                why="hosts refuse everything until it is signed anew, so nothing was published",
                hint=f"whoever has the key of {one.role} must run `toolkit refresh`",
            )


def _nothing(root: Metadata[Root]) -> Repository:
    """Give what stands in a store before anything was published."""
    return Repository(
        root,
        Metadata(sign.unpublished(Targets())),
        Metadata(sign.unpublished(Snapshot(meta={}))),
        Metadata(sign.unpublished(Timestamp())),
        {},
    )


def _claimed_version(data: bytes) -> int:
    """Give the version that a timestamp has, even where nobody trusts it."""
    try:
        return int(Metadata[Timestamp].from_bytes(data).signed.version)
    except Exception:  # noqa: BLE001
        return 0
