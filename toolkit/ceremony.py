"""The story of `toolkit keys`: who may sign, from the first keys to a stolen one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import SSlibKey
from tuf.api.metadata import Metadata, Root

from toolkit import keys
from toolkit.errors import ConflictError, SigningError, TrustError
from toolkit.keyring import ROOT_FILE, Keyring
from toolkit.metadata_files import releases_in
from toolkit.repository import Publisher, create, load, require, update
from toolkit.stores import FILE
from toolkit.trust.model import (
    ENGINE,
    ONLINE,
    ROOT,
    TARGETS,
    TOP_LEVEL,
    Delegation,
    Repository,
    delegation,
)
from toolkit.trust.rotate import KeyChange, change_keys, keys_of, revocable
from toolkit.trust.sign import new_root, new_targets, prepare, require_at_hand, sign

# The keys of these are kept offline, so they are encrypted.
OFFLINE = (ROOT, TARGETS)
TABLE = '\n# Who signs release metadata: docs/keys.md.\n[trust]\nkeys = "keys"\n'
# Gives the passphrase for a key that is about to be made.
NewPassphrase = Callable[[str], str]


@dataclass(frozen=True)
class Beginning:
    """What the first ceremony makes: roles for `agents`, and so many keys of the root role."""

    agents: tuple[str, ...]
    root_keys: int = 2
    threshold: int = 1


@dataclass(frozen=True)
class Held:
    """A key of a role: its id, its kind, and where its private half is, if that is known here."""

    keyid: str
    kind: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class RoleKeys:
    """A role, how many of its keys must sign, its keys, and when its metadata expires."""

    role: str
    version: int
    threshold: int
    expires: datetime
    keys: tuple[Held, ...]


def begin(
    at: Publisher, ring: Keyring, wanted: Beginning, new_passphrase: NewPassphrase
) -> Repository:
    """Make all keys and the first root, and publish the first set of metadata.

    Keys that are there already are used, so it can be run again after an interruption.

    Raises TrustError where the store has metadata already, SigningError, StoreError.
    """
    roles = tuple(dict.fromkeys((ENGINE, *wanted.agents)))
    ring.prepare_folder()
    toml = ring.project / FILE
    there = (ring.folder / ROOT_FILE).exists() and load(at.store, ring.trusted_root())
    if there and _names_keys(toml):
        raise _begun(at)
    if there:  # it was interrupted at its last step
        _name_in(toml)
        return there
    _refuse_to_start_over(at)
    public = {
        role: _some(ring, role, wanted.root_keys if role == ROOT else 1, new_passphrase)
        for role in (*TOP_LEVEL, *roles)
    }
    root = _first_root(at, ring, public, wanted.threshold)
    try:
        repository = create(at, root, new_targets({role: public[role] for role in roles}))
    except ConflictError as error:
        raise _begun(at) from error
    _name_in(toml)
    return repository


def show(at: Publisher, ring: Keyring) -> tuple[RoleKeys, ...]:
    """Say of each role of the store who signs for it and until when."""
    return describe(ring, require(at.store, ring.trusted_root()))


def describe(ring: Keyring, repository: Repository) -> tuple[RoleKeys, ...]:
    """Say of each role who signs for it and until when."""
    return tuple(
        _role_keys(ring, repository.delegation(role), payload.version, payload.expires)
        for role, payload in repository.payloads()
    )


def adding(ring: Keyring, role: str, uris: Sequence[str]) -> KeyChange:
    """Let the signers `uris` sign for `role` too, which is made where it is an agent's new one."""
    return KeyChange(role, add=tuple(ring.add(role, uri) for uri in uris))


def adding_new(ring: Keyring, role: str, new_passphrase: NewPassphrase) -> KeyChange:
    """Make a key and let it sign for `role` too."""
    return KeyChange(role, add=(_make(ring, role, new_passphrase),))


def revoking(current: Repository, role: str, keyids: Sequence[str]) -> KeyChange:
    """Let keys of `role`, named by the beginnings of their ids, sign no more."""
    return KeyChange(role, revoke=tuple(revocable(current, role, keyid) for keyid in keyids))


def rotating(
    current: Repository, ring: Keyring, roles: Sequence[str], new_passphrase: NewPassphrase
) -> Sequence[KeyChange]:
    """Put new keys in the place of all keys of `roles`."""
    olds = {role: tuple(keys_of(current, role)) for role in roles}
    changes = []
    for role, old in olds.items():
        new = tuple(_make(ring, role, new_passphrase) for _ in old)
        changes.append(KeyChange(role, add=new, revoke=old))
    return changes


def ready(current: Repository, ring: Keyring, roles: Sequence[str]) -> None:
    """Open the keys that a change of `roles` needs, before any new key is made.

    Raises SigningError where one is missing.
    """
    top = any(role in TOP_LEVEL for role in roles)
    agents = any(role not in TOP_LEVEL for role in roles)
    needed = [*([ROOT] if top else []), *([TARGETS] if agents and TARGETS not in roles else [])]
    for role in (*needed, *(role for role in ONLINE if role not in roles)):
        require_at_hand(current.delegation(role), ring.signers)


def change(at: Publisher, ring: Keyring, changes: Sequence[KeyChange]) -> Repository:
    """Publish changes of who may sign, all in one; gives the new set.

    Raises SigningError where a key is missing, and as `toolkit.repository.update`.
    """
    changed = update(at, lambda repository: change_keys(repository, changes))
    ring.trust(changed.root.to_bytes())
    return changed


def _some(
    ring: Keyring, role: str, count: int, new_passphrase: NewPassphrase
) -> tuple[SSlibKey, ...]:
    """Give the keys of `role` that there are, else make as many."""
    there = tuple(place.key or ring.add(role, place.uri) for place in ring.places(role))
    missing = 0 if ring.config.signers(role) else count - len(there)
    return (*there, *(_make(ring, role, new_passphrase) for _ in range(missing)))


def _make(ring: Keyring, role: str, new_passphrase: NewPassphrase) -> SSlibKey:
    return ring.make(role, new_passphrase(role) if role in OFFLINE else None)


def _first_root(
    at: Publisher, ring: Keyring, public: dict[str, tuple[SSlibKey, ...]], threshold: int
) -> Metadata[Root]:
    """Give the root that was made before, else make it and trust it."""
    if (ring.folder / ROOT_FILE).exists():
        known: Metadata[Root] = Metadata.from_bytes(ring.trusted_root())
        return known
    if len(public[ROOT]) < threshold:
        raise SigningError(
            f"{len(public[ROOT])} root keys cannot meet a threshold of {threshold}",
            why="nobody could ever sign a root",
            hint="ask for more by --root-keys",
        )
    payload = new_root({role: public[role] for role in TOP_LEVEL}, {ROOT: threshold})
    payload = prepare(payload, 1, ring.lifetimes, ROOT, at.now)
    root = sign(payload, [delegation(ROOT, payload, None)], ring.signers)
    ring.trust(root.to_bytes())
    return root


def _role_keys(ring: Keyring, by: Delegation, version: int, expires: datetime) -> RoleKeys:
    places = tuple(ring.places(by.role))
    held = (
        Held(
            keyid,
            key.keytype,
            tuple(place.uri for place in places if place.key and place.key.keyid == keyid),
        )
        for keyid, key in by.keys.items()
    )
    return RoleKeys(by.role, version, by.threshold, expires, tuple(held))


def _begun(at: Publisher) -> TrustError:
    return TrustError(
        f"{at.store.locate('metadata')} has its keys already",
        why="release metadata was published there before",
        hint="`toolkit keys show` lists them; get keys/root.json from whoever made them, or "
        "publish to another store",
    )


def _refuse_to_start_over(at: Publisher) -> None:
    """Stop where releases were vouched for: without its timestamp, a store only looks empty."""
    there = next(releases_in(at.store), None)
    if there is not None:
        raise TrustError(
            f"{at.store.locate(there)} vouches for releases already",
            why="the store has lost its timestamp; new metadata would make all hosts forget them",
            hint="bring it back by `toolkit refresh --rebuild`",
        )


def _name_in(file: Path) -> None:
    """Add [trust] to toolkit.toml, where it is not there."""
    if not _names_keys(file):
        with file.open("a", encoding="utf-8") as toml:
            toml.write(TABLE)


def _names_keys(file: Path) -> bool:
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return any(line.strip().startswith("[trust") for line in text.splitlines())


def notes(repository: Repository) -> tuple[str, ...]:
    """Say what a person should know of the keys in use."""
    every = [*repository.root.signed.keys.values()]
    delegations = repository.targets.signed.delegations
    every += delegations.keys.values() if delegations else ()
    found = (keys.note(key) for key in every if isinstance(key, SSlibKey))
    return tuple(note for note in found if note)
