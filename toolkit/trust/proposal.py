"""New root or targets metadata that several people sign, each on a machine of their own.

A proposal carries what it is to take the place of, too, so that whoever signs can see what it
changes without the store: from the root that they trust, to the current one, to the proposed one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Signed, Targets

from toolkit.errors import TrustError
from toolkit.trust import verify
from toolkit.trust.model import ROOT, TARGETS, Delegation, delegation

KIND = "toolkit-proposal-v1"


@dataclass(frozen=True)
class Proposal:
    """What is proposed, by role (root, targets or both), and what stands in the store now.

    `roots` are all up to the current one, the oldest first.
    """

    roots: tuple[Metadata[Root], ...]
    targets: Metadata[Targets]
    proposed: Mapping[str, Metadata[Any]]

    @property
    def root(self) -> Root:
        """The current root."""
        return self.roots[-1].signed

    @property
    def new_root(self) -> Root:
        """The proposed root, else the current one."""
        proposed = self.proposed.get(ROOT)
        return proposed.signed if proposed else self.root

    def needed(self, role: str) -> tuple[Delegation, ...]:
        """Give whose signatures the proposed metadata of `role` must have."""
        new = delegation(role, self.new_root, None)
        return (delegation(role, self.root, None), new) if role == ROOT else (new,)

    def welcome(self, role: str) -> tuple[Delegation, ...]:
        """Give whose signatures it may have.

        With those of the keys before, too, hosts that look while it is published follow it.
        """
        before, after = (delegation(role, root, None) for root in (self.root, self.new_root))
        return (before,) if before == after else (before, after)


@dataclass(frozen=True)
class Signatures:
    """Who has signed for a role, by the ids of keys: `threshold` must, `by` have, `missing` may.

    `whose` says whether these are the present keys of root, or those that it is to have.
    """

    role: str
    whose: str
    threshold: int
    by: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def lacking(self) -> int:
        """How many signatures are still needed."""
        return max(0, self.threshold - len(self.by))


def dump(proposal: Proposal) -> bytes:
    """Give the bytes of a proposal's file."""
    data = {
        "kind": KIND,
        "roots": [root.to_dict() for root in proposal.roots],
        "targets": proposal.targets.to_dict(),
        "proposed": {role: each.to_dict() for role, each in proposal.proposed.items()},
    }
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def parse(data: bytes, file: str) -> Proposal:
    """Read a proposal's file; nothing in it is trusted before `check`.

    Raises TrustError where it is none.
    """
    try:
        content = json.loads(data)
        if content["kind"] != KIND:
            raise ValueError(f"it is of the kind {content['kind']}")
        proposed = {role: Metadata.from_dict(each) for role, each in content["proposed"].items()}
        types = {role: each.signed.type for role, each in proposed.items()}
        if not types or any(
            role not in (ROOT, TARGETS) or role != of for role, of in types.items()
        ):
            raise ValueError(f"it is for {', '.join(types) or 'nothing'}")
        roots = tuple(Metadata[Root].from_dict(each) for each in content["roots"])
        if not roots or any(each.signed.type != ROOT for each in roots):
            raise ValueError("it has no root")
        return Proposal(roots, Metadata[Targets].from_dict(content["targets"]), proposed)
    except (ValueError, KeyError, TypeError, AttributeError, RepositoryError) as error:
        raise TrustError(
            f"{file} is no proposal",
            why=repr(error),
            hint="make one by --propose of `toolkit keys add`, revoke or rotate, or of refresh",
        ) from error


def check(proposal: Proposal, trusted: bytes, file: str) -> None:
    """Verify a proposal from the `trusted` root on, with each signature that it has.

    Raises TrustError: another store's, an outdated one, or one that was changed after signing.
    """
    root = verify.first_root(trusted).signed
    for each in proposal.roots:
        if each.signed.version == root.version and each.signed != root:
            raise _not_ours(file)
        if each.signed.version > root.version:
            root = verify.next_root(each.to_bytes(), root).signed
    if proposal.root.version < root.version:
        raise outdated(
            file, f"its root is {proposal.root.version}, and here {root.version} is known"
        )
    if proposal.root != root:
        raise _not_ours(file)
    verify.targets(TARGETS, proposal.targets.to_bytes(), root, None)
    _check_versions(proposal, file)
    for role, metadata in proposal.proposed.items():
        counted = [verify.signatures(metadata, each) for each in proposal.welcome(role)]
        bad = set(metadata.signatures) - set().union(*counted)
        if bad:
            raise TrustError(
                f"{file} was changed after it was signed",
                why=f"the signature of {', '.join(keyid[:12] for keyid in sorted(bad))} does not "
                f"fit what it says of {role} now",
                hint="sign nothing of it; have it proposed anew, and find out who had the file",
            )


def merge(proposals: Sequence[Proposal], file: str) -> Proposal:
    """Put the signatures of copies of one proposal together.

    Raises TrustError where they are not copies of one.
    """
    first = proposals[0]
    proposed = {role: copy.deepcopy(each) for role, each in first.proposed.items()}
    for other in proposals[1:]:
        same = other.proposed.keys() == proposed.keys() and all(
            other.proposed[role].signed == each.signed for role, each in proposed.items()
        )
        if not same or other.root != first.root:
            raise TrustError(
                f"{file} is another proposal than the file before it",
                why="signatures of one do not count for the other",
                hint="publish them one after the other; the second must be proposed anew then",
            )
        for role, each in proposed.items():
            each.signatures.update(other.proposed[role].signatures)
    return replace(first, proposed={role: _sorted(each) for role, each in proposed.items()})


def signatures(proposal: Proposal) -> Iterator[Signatures]:
    """Say who has signed, for each set of keys that must."""
    for role, metadata in sorted(proposal.proposed.items()):
        needed = proposal.needed(role)
        for number, by in enumerate(needed):
            if number and by == needed[0]:
                continue
            signed = verify.signatures(metadata, by)
            whose = "present" if number == 0 and role == ROOT else "new" if number else "its"
            missing = tuple(sorted(set(by.keys) - signed))
            yield Signatures(role, whose, by.threshold, tuple(sorted(signed)), missing)


def changes(proposal: Proposal) -> Iterator[str]:
    """Say all that a proposal changes, a line for each fact."""
    before: dict[str, Signed] = {ROOT: proposal.root, TARGETS: proposal.targets.signed}
    for role, metadata in sorted(proposal.proposed.items()):
        old, new = _facts(before[role]), _facts(metadata.signed)
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield _printable(f"{role}: {_change(name, old.get(name), new.get(name))}")


def outdated(file: str, why: str) -> TrustError:
    """Give the error for a proposal that the repository has left behind."""
    return TrustError(
        f"{file} is outdated",
        why=f"the repository moved on after it was proposed: {why}",
        hint="propose it anew, by the same command, and have it signed again",
    )


def _check_versions(proposal: Proposal, file: str) -> None:
    """Stop where the versions are not those that follow: hosts would refuse them."""
    root, targets = proposal.proposed.get(ROOT), proposal.proposed.get(TARGETS)
    if root is not None and root.signed.version != proposal.root.version + 1:
        raise outdated(
            file, f"its new root is {root.signed.version}, after {proposal.root.version}"
        )
    if targets is not None and targets.signed.version <= proposal.targets.signed.version:
        raise outdated(file, f"its targets are {targets.signed.version}")


def _facts(payload: Signed) -> dict[str, str]:
    """Give all that root or targets metadata says, each fact by its name."""
    data = payload.to_dict()
    owner = data if isinstance(payload, Root) else data.get("delegations") or {}
    roles, keys = owner.pop("roles", {}), owner.pop("keys", {})
    named = roles.items() if isinstance(roles, dict) else ((role["name"], role) for role in roles)
    facts: dict[str, str] = {}
    for name, role in named:
        for keyid in role.pop("keyids"):
            facts[f"key {keyid[:12]} of {name}"] = _key(keyid, keys.get(keyid))
        facts |= _flat(f"{name}: ", role)
    return facts | _flat("", data)


def _key(keyid: str, key: Mapping[str, Any] | None) -> str:
    if key is None:
        return f"{keyid} (of no key)"
    rest = {name: value for name, value in key.items() if name not in ("keytype", "scheme")}
    return f"{key.get('keytype')} {key.get('scheme')} {json.dumps(rest, sort_keys=True)} {keyid}"


def _flat(prefix: str, data: Mapping[str, Any]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, dict) and value:
            facts |= _flat(f"{prefix}{name}: ", value)
        else:
            facts[f"{prefix}{name}"] = json.dumps(value, sort_keys=True)
    return facts


def _printable(line: str) -> str:
    """Escape what could hide other lines on a terminal: names come from whoever proposed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _change(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return f"+ {name} = {new}"
    if new is None:
        return f"- {name} = {old}"
    return f"{name}: {old} -> {new}"


def _sorted(metadata: Metadata[Any]) -> Metadata[Any]:
    """Give it with its signatures in one order, so that the same ones give the same bytes."""
    metadata.signatures = dict(sorted(metadata.signatures.items()))
    return metadata


def _not_ours(file: str) -> TrustError:
    return TrustError(
        f"{file} does not start from the root that this project trusts",
        why="it is of another store, or its root was exchanged",
        hint="sign nothing of it before you know who made it",
    )
