"""The story of `toolkit refresh`: metadata that is near its end is signed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.keyring import Keyring
from toolkit.repository import Publisher, rebuild, require, update
from toolkit.trust.expiry import Due, due
from toolkit.trust.model import ONLINE, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Draft, Repository
from toolkit.trust.rotate import keys_of


@dataclass(frozen=True)
class Refreshed:
    """What was signed anew, and what is near its end and waits for somebody with its key."""

    repository: Repository
    signed: tuple[str, ...]
    waiting: tuple[Due, ...]


def refresh(at: Publisher, ring: Keyring, roles: Sequence[str] = ()) -> Refreshed:
    """Sign anew what is near its end and needs no passphrase, else just `roles`.

    Raises NotFoundError for an unknown role, SigningError where a key is missing.
    """
    before = require(at.store, ring.trusted_root())
    for role in roles:
        keys_of(before, role)
    after = update(at, lambda repository: plan(repository, at, ring, roles))
    ring.trust(after.root.to_bytes())
    versions = dict(_versions(before))
    signed = tuple(role for role, version in _versions(after) if version > versions.get(role, 0))
    waiting = tuple(one for one in due(after, ring.lifetimes, at.now) if one.near)
    return Refreshed(after, signed, waiting)


def rebuild_all(at: Publisher, ring: Keyring) -> Refreshed:
    """Make snapshot and timestamp anew from what the roles' own keys have signed."""
    after = rebuild(at)
    waiting = tuple(one for one in due(after, ring.lifetimes, at.now) if one.near)
    return Refreshed(after, ONLINE, waiting)


def plan(repository: Repository, at: Publisher, ring: Keyring, roles: Sequence[str]) -> Draft:
    """Decide what to sign anew."""
    chosen = set(roles)
    for one in due(repository, ring.lifetimes, at.now):
        # An online role whose key is missing here stops the timer's run, so that somebody looks.
        here = one.role in ONLINE or ring.can_sign(repository.delegation(one.role))
        if not roles and one.near and here:
            chosen.add(one.role)
    root = repository.root.signed if ROOT in chosen else None
    payloads = {TARGETS: repository.targets.signed}
    payloads |= {role: metadata.signed for role, metadata in repository.roles.items()}
    return Draft(
        {role: payload for role, payload in payloads.items() if role in chosen},
        root,
        snapshot=SNAPSHOT in chosen,
        timestamp=TIMESTAMP in chosen,
    )


def _versions(repository: Repository) -> list[tuple[str, int]]:
    return [(role, payload.version) for role, payload in repository.payloads()]
