"""Changes of who may sign: keys added to a role, revoked and replaced, and thresholds."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from securesystemslib.signer import Key
from tuf.api.metadata import Role, Root, Targets

from toolkit.errors import NotFoundError, SigningError
from toolkit.trust.model import TARGETS, TOP_LEVEL, Draft, Repository
from toolkit.trust.sign import delegate, unpublished


@dataclass(frozen=True)
class KeyChange:
    """What changes for a role: keys that come, ids of those that go, and the threshold."""

    role: str
    add: tuple[Key, ...] = ()
    revoke: tuple[str, ...] = ()
    threshold: int | None = None


def change_keys(repository: Repository, changes: Sequence[KeyChange]) -> Draft:
    """Give the draft in which all `changes` are made; empty where they are made already.

    Raises NotFoundError for an unknown role or key, SigningError where a role would be left
    with fewer keys than its threshold.
    """
    root = copy.deepcopy(repository.root.signed)
    targets = copy.deepcopy(repository.targets.signed)
    roles: dict[str, Targets] = {}
    for change in changes:
        if change.role in TOP_LEVEL:
            _apply(root, root.roles[change.role], change)
        else:
            targets = _in_delegations(targets, change)
            known = repository.roles.get(change.role)
            roles[change.role] = known.signed if known else unpublished(Targets())
    root_changed = root != repository.root.signed
    if root_changed and any(change.role == TARGETS for change in changes):
        roles[TARGETS] = targets
    if targets != repository.targets.signed:
        roles[TARGETS] = targets
    elif not root_changed:
        return Draft()
    return Draft(roles, root if root_changed else None)


def revocable(repository: Repository, role: str, prefix: str) -> str:
    """Find the id of the one key of `role` that starts with `prefix`."""
    keys = keys_of(repository, role)
    found = [keyid for keyid in keys if keyid.startswith(prefix)]
    if len(found) != 1:
        raise NotFoundError(
            f"{role} has {'more than one' if found else 'no'} key {prefix!r}",
            why=f"its keys are {', '.join(keyid[:12] for keyid in keys)}",
            hint="name one of these, by as many letters as tell it apart",
        )
    return found[0]


def keys_of(repository: Repository, role: str) -> list[str]:
    """Give the ids of the role's keys; raises NotFoundError where there is no such role."""
    try:
        return list(repository.delegation(role).keys)
    except KeyError as error:
        known = [name for name, _ in repository.payloads()]
        raise NotFoundError(
            f"there is no role called {role!r}",
            why=f"the roles are {', '.join(known)}",
            hint=f"name one of these, or add the agent's by `toolkit keys add {role} --new`",
        ) from error


def _in_delegations(targets: Targets, change: KeyChange) -> Targets:
    roles = targets.delegations.roles if targets.delegations else None
    if not roles or change.role not in roles:
        if not change.add:
            raise NotFoundError(
                f"there is no role called {change.role!r}",
                why="targets delegate to " + (", ".join(roles or ()) or "nobody"),
                hint=f"add the agent's role by `toolkit keys add {change.role} --new`",
            )
        return delegate(targets, change.role, change.add, threshold=change.threshold or 1)
    _apply(targets, roles[change.role], change)
    return targets


def _apply(delegator: Root | Targets, role: Role, change: KeyChange) -> None:
    for key in change.add:
        delegator.add_key(key, change.role)
    for keyid in change.revoke:
        if keyid in role.keyids:
            delegator.revoke_key(keyid, change.role)
    role.threshold = change.threshold or role.threshold
    if len(role.keyids) < role.threshold:
        raise SigningError(
            f"{change.role} would have {len(role.keyids)} keys and a threshold of {role.threshold}",
            why="nobody could ever sign for it again",
            hint="add another key first, or lower the threshold by --threshold",
        )
