"""The story of `--propose`: metadata whose signers keep their keys on machines of their own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Root, Signed, Targets

from toolkit.errors import MissingKeysError, NotFoundError, SigningError
from toolkit.keyring import Keyring
from toolkit.metadata_files import FOLDER, must_read, versions
from toolkit.repository import Publisher, update
from toolkit.trust import proposal as proposals
from toolkit.trust.model import ROOT, TARGETS, Draft, Repository, delegated, delegation
from toolkit.trust.proposal import Proposal
from toolkit.trust.sign import prepare, unpublished


def propose(at: Publisher, ring: Keyring, current: Repository, draft: Draft) -> Proposal:
    """Make of a draft what others are to sign, with the signatures of the keys that are here.

    Writes nothing. Raises SigningError where nothing would change.
    """
    payloads: dict[str, Any] = {}
    if draft.root is not None:
        payloads[ROOT] = prepare(
            draft.root, current.root.signed.version + 1, ring.lifetimes, ROOT, at.now
        )
    if TARGETS in draft.roles:
        # One that a stopped publisher has left behind would be in the way later.
        taken = versions(at.store.names(f"{FOLDER}/"), TARGETS)
        version = max((*taken, current.targets.signed.version)) + 1
        payloads[TARGETS] = prepare(draft.roles[TARGETS], version, ring.lifetimes, TARGETS, at.now)
    if not payloads:
        raise SigningError(
            "there is nothing to propose",
            why="neither root nor targets would change",
            hint="`toolkit keys show` says who signs now",
        )
    roots = tuple(
        Metadata[Root].from_bytes(must_read(at.store, f"{number}.{ROOT}.json"))
        for number in range(1, current.root.signed.version + 1)
    )
    made: dict[str, Metadata[Any]] = {role: Metadata(payload) for role, payload in payloads.items()}
    return _signed(ring, Proposal(roots, current.targets, made))


def read(file: Path, ring: Keyring) -> Proposal:
    """Read a proposal, and verify it from the root that this project trusts.

    Raises NotFoundError, TrustError.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{file} can't be read", why=error.strerror or str(error)) from error
    proposal = proposals.parse(data, str(file))
    proposals.check(proposal, ring.trusted_root(), str(file))
    return proposal


def sign(ring: Keyring, proposal: Proposal) -> Proposal:
    """Add the signatures of the keys that are here.

    Raises SigningError where none of them is asked for, or all have signed.
    """
    signed = _signed(ring, proposal)
    if all(signed.proposed[role] == each for role, each in proposal.proposed.items()):
        signatures = proposals.signatures(proposal)
        missing = sorted({key[:12] for one in signatures for key in one.missing})
        raise SigningError(
            "no key that is here could sign it",
            why=f"those that have not signed are {', '.join(missing) or 'none'}",
            hint="bring the key, or name where it is in [trust] of toolkit.toml; if nobody is "
            "missing, publish it: toolkit keys publish",
        )
    return signed


def publish(at: Publisher, ring: Keyring, files: Sequence[Path]) -> Repository:
    """Publish one proposal, from its file or from copies that were signed apart.

    Can be run again after an interruption. Raises MissingKeysError where signatures are missing,
    TrustError for an outdated or changed one, SigningError where an online key is not here.
    """
    proposal = read(files[0], ring)
    for file in files[1:]:
        proposal = proposals.merge([proposal, read(file, ring)], str(file))
    _require_signed(proposal, files[0])
    changed = update(at, lambda current: _draft(current, proposal, str(files[0])))
    ring.trust(changed.root.to_bytes())
    return changed


def _signed(ring: Keyring, proposal: Proposal) -> Proposal:
    proposed = {role: copy.deepcopy(each) for role, each in proposal.proposed.items()}
    for role, metadata in proposed.items():
        for by in proposal.welcome(role):
            for signer in ring.signers(by):
                if signer.public_key.keyid not in metadata.signatures:
                    metadata.sign(signer, append=True)
    return proposals.merge([replace(proposal, proposed=proposed)], "")


def _require_signed(proposal: Proposal, file: Path) -> None:
    for one in proposals.signatures(proposal):
        if one.lacking:
            whose = one.whose if one.whose == "its" else f"the {one.whose}"
            keys = ", ".join(keyid[:12] for keyid in one.missing)
            raise MissingKeysError(
                f"{file} lacks signatures for {one.role}",
                why=f"{one.threshold} of {whose} keys must sign, {len(one.by)} did; nothing "
                "was published",
                hint=f"whoever has one of the keys {keys} must run: toolkit keys sign {file.name}",
            )


def _draft(current: Repository, proposal: Proposal, file: str) -> Draft:
    """Give what of the proposal is not published yet.

    Raises TrustError where something else was published in its place.
    """
    proposed = proposal.proposed
    open_ = {role: metadata for role, metadata in proposed.items() if _open(current, metadata)}
    if current.root.signed != proposal.root and (ROOT in open_ or ROOT not in proposed):
        raise proposals.outdated(file, f"the root is {current.root.signed.version} now")
    targets = current.targets.signed
    if TARGETS in open_ and targets != proposal.targets.signed:
        raise proposals.outdated(file, f"targets are {targets.version} now")
    if not open_:
        return Draft()
    roles: dict[str, Targets] = {}
    if TARGETS in open_:
        targets = open_[TARGETS].signed
        roles = {TARGETS: targets, **_to_sign_anew(current, targets)}
    root = open_[ROOT].signed if ROOT in open_ else None
    return Draft(roles, root, signed=open_)


def _open(current: Repository, metadata: Metadata[Any]) -> bool:
    now: Signed = current.payload(metadata.signed.type)
    return bool(now != metadata.signed)


def _to_sign_anew(current: Repository, targets: Targets) -> dict[str, Targets]:
    """Give what the roles say whose keys change: it must be signed by the new ones."""
    before = {
        role: delegation(role, current.root.signed, current.targets.signed)
        for role in delegated(current.targets.signed)
    }
    changed: dict[str, Targets] = {}
    for role in delegated(targets):
        if before.get(role) != delegation(role, current.root.signed, targets):
            known = current.roles.get(role)
            changed[role] = known.signed if known else unpublished(Targets())
    return changed
