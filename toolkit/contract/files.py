"""The clauses about what lies on the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from posixpath import join, normpath

from toolkit.contract.model import Check, Expected, required_variables, unknown
from toolkit.facts import HostFacts, PathFact
from toolkit.host.layout import MARKER

RUNNING = "running"
# Another version was tried since, and this one came back: it runs as it did.
REVERTED = "reverted"
ABSENT = PathFact("absent")
SOMEONE = "the service's user"


def home_folder(expected: Expected, facts: HostFacts) -> Check:
    """The folder belongs to root or to the service's user, and others may not write there."""
    home = facts.paths["."]
    owners = [owner for owner in ("root", expected.user) if owner]
    clause = f"a folder of {' or '.join(dict.fromkeys(owners))}, not writable by others"
    holds = home.kind == "folder" and home.owner in owners and not home.mode & 0o002
    return Check("home folder", holds, _describe(home), clause)


def release_whole(expected: Expected, facts: HostFacts) -> Check:
    """The version's folder is there, with the mark that is written last."""
    folder = facts.paths.get(expected.folder, ABSENT)
    mark = facts.paths.get(f"{expected.folder}/{MARKER}", ABSENT)
    clause = f"{expected.folder}, whole"
    if "unknown" in (folder.kind, mark.kind):
        return unknown("release", clause, folder.problem or mark.problem)
    if folder.kind != "folder":
        return Check("release", False, _describe(folder), clause)
    whole = mark.kind == "file"
    return Check("release", whole, clause if whole else f"a folder without {MARKER}", clause)


def release_protected(expected: Expected, facts: HostFacts) -> Check:
    """Nobody but its owner may change anything of the version."""
    name, owners, tree = "release's files", expected.release_owners, facts.tree
    clause = f"of {' or '.join(owners)}, writable by nobody else"
    if tree is None:
        return unknown(name, clause, "there are none")
    if tree.problem:
        return unknown(name, clause, tree.problem)
    folder = facts.paths.get(expected.folder, ABSENT)
    loose = f"; others may write {', '.join(tree.loose)}" if tree.loose else ""
    found = f"{tree.files} files of {folder.owner}{loose}"
    return Check(name, folder.owner in owners and not tree.loose, found, clause)


def as_released(expected: Expected, facts: HostFacts) -> Iterator[Check]:
    """Every file of the version is as its manifest says; only where the look went that deep."""
    name, drift, clause = "files as released", facts.drift, f"as {expected.folder}/manifest.json"
    if drift is None:
        return
    if drift.problem:
        yield unknown(name, clause, drift.problem)
        return
    kinds = {"changed": drift.changed, "missing": drift.missing, "added": drift.added}
    parts = [f"{kind}: {', '.join(paths[:3])}" for kind, paths in kinds.items() if paths]
    shown = sum(min(len(paths), 3) for paths in kinds.values())
    more = f" and {drift.count - shown} more" if drift.count > shown else ""
    found = f"{'; '.join(parts)}{more}" if parts else f"all {drift.files} files"
    yield Check(name, not parts, found, clause)


def current_link(expected: Expected, facts: HostFacts) -> Check:
    """`current` points at the version."""
    link = facts.paths["current"]
    points = link.kind == "link" and points_at(link, expected)
    found = f"-> {link.target}" if link.kind == "link" else _describe(link)
    return Check("current", points, found, f"-> {expected.folder}")


def points_at(link: PathFact, expected: Expected) -> bool:
    """Say whether a link in the home points at the expected version."""
    return normpath(join(expected.home, link.target)) == f"{expected.home}/{expected.folder}"


def own_folder(name: str, expected: Expected, facts: HostFacts) -> Check:
    """A folder that outlives every version belongs to the service's user."""
    return _owned(f"{name}/", facts.paths[name], "folder", expected.user)


def environment(expected: Expected, facts: HostFacts) -> Iterator[Check]:
    """Only the service's user may read .env, and it sets what the release requires."""
    env, required = facts.paths[".env"], required_variables(expected.release)
    if env.kind == "absent" and not required:
        yield Check(".env", True, "absent, and nothing is required", "mode 0600, or none")
        return
    owned = _owned(".env", env, "file", expected.user)
    holds = owned.holds and env.mode == 0o600
    yield Check(".env", holds, owned.found, f"{owned.expected}, mode 0600")
    if not required:
        return
    variables, clause = facts.variables, f"{', '.join(required)} set"
    if variables is None or variables.problem:
        problem = variables.problem if variables else "nobody looked"
        yield unknown("required variables", clause, problem)
        return
    missing = [name for name in required if name not in variables.names]
    found = f"not set: {', '.join(missing)}" if missing else "all set"
    yield Check("required variables", not missing, found, clause)


def state(expected: Expected, facts: HostFacts) -> Check:
    """state.json names this version and manager, and says that the service runs."""
    release = f"{expected.release.name} {expected.version or 'of some version'}"
    wanted = f"{release} under {expected.manager or 'some manager'}"
    clause = f"{wanted}, {RUNNING}"
    if facts.state.problem:
        return unknown("state.json", clause, facts.state.problem)
    if facts.state.text is None:
        return Check("state.json", False, "absent", clause)
    try:
        said = json.loads(facts.state.text)
        what = f"{said['name']} {said['version']} under {said['manager']}, {said['outcome']}"
        holds = what in (clause, f"{wanted}, {REVERTED}")
        why = f": {said['reason']}" if said.get("reason") and what != clause else ""
    except (ValueError, KeyError, TypeError) as error:
        return Check("state.json", False, f"damaged: {error!r}", clause)
    return Check("state.json", holds, f"{what}{why}", clause)


def _owned(name: str, fact: PathFact, kind: str, user: str | None) -> Check:
    clause = f"a {kind} of {user or SOMEONE}"
    if fact.kind == "unknown" or user is None:
        return unknown(name, clause, fact.problem or "state.json names no user")
    return Check(name, fact.kind == kind and fact.owner == user, _describe(fact), clause)


def _describe(fact: PathFact) -> str:
    if fact.kind == "unknown":
        return f"unknown: {fact.problem}"
    if fact.kind == "absent":
        return "absent"
    return f"a {fact.kind} of {fact.owner}, mode {fact.mode:04o}"
