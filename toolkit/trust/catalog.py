"""What an agent's role vouches for: its files, and the moves of its channels.

The moves stand in the role's own metadata, signed as the rest is: so a rollback needs no other
file, and the history cannot be changed by whoever can write to the store.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from packaging.version import InvalidVersion, Version
from tuf.api.metadata import TargetFile, Targets

from toolkit.errors import TrustError
from toolkit.host.errors import BadRelease
from toolkit.host.target import MOVES, Target, parse_custom

# Names of our own in a role's metadata, which clients of TUF pass over.
PRUNED = "x-toolkit-pruned"
# Every host fetches the role's metadata, so only so many moves of each channel are kept.
KEPT_MOVES = 30


@dataclass(frozen=True)
class Listed:
    """A file that a role vouches for: its name, length in bytes and SHA-256, and what it is."""

    path: str
    size: int
    sha256: str
    target: Target


@dataclass(frozen=True)
class Move:
    """One move: `action` is promote, rollback, yank or unyank.

    `percent` is what part of `channel` it was for; `time` is ISO 8601; `reason` is a yank's.
    """

    time: str
    action: str
    version: str
    channel: str | None = None
    percent: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Catalog:
    """All that one agent's role says; `pruned` are names of files that are to be deleted."""

    agent: str
    files: Mapping[str, Listed]
    moves: tuple[Move, ...] = ()
    pruned: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions, the oldest first."""
        return tuple(sorted({one.target.version for one in self.files.values()}, key=order))

    def of(self, version: str) -> tuple[Listed, ...]:
        """Give the files of one version."""
        return tuple(one for one in self.files.values() if one.target.version == version)

    def yanked(self, version: str) -> str | None:
        """Give the reason why `version` was yanked; None where it was not."""
        reasons = (one.target.yanked for one in self.of(version))
        return next((reason for reason in reasons if reason is not None), None)

    def retarget(self, files: Mapping[str, Target], *moves: Move) -> Catalog:
        """Give the catalog in which these files say what is given, after these moves."""
        changed = {path: replace(self.files[path], target=files[path]) for path in files}
        return replace(self, files={**self.files, **changed}, moves=kept((*self.moves, *moves)))


def order(version: str) -> tuple[int, Version | tuple[tuple[int, int, str], ...]]:
    """Give what sorts versions: those that are none by the rules of Python packaging go first."""
    try:
        return (1, Version(version))
    except InvalidVersion:
        parts = re.findall(r"\d+|[A-Za-z]+", version)
        return (0, tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts))


def kept(moves: Iterable[Move]) -> tuple[Move, ...]:
    """Drop the oldest moves of each channel beyond KEPT_MOVES."""
    counts: dict[str | None, int] = {}
    found: list[Move] = []
    for move in reversed(tuple(moves)):
        counts[move.channel] = counts.get(move.channel, 0) + 1
        if counts[move.channel] <= KEPT_MOVES:
            found.append(move)
    return tuple(reversed(found))


def read(agent: str, payload: Targets) -> Catalog:
    """Read what the role of `agent` says; raises TrustError where it is of another format."""
    try:
        files = {path: _listed(file) for path, file in payload.targets.items()}
        moves = tuple(Move(**move) for move in payload.unrecognized_fields.get(MOVES, ()))
    except (BadRelease, KeyError, TypeError) as error:
        raise TrustError(
            f"the metadata of {agent} is of another format",
            why=str(error),
            hint="use the toolkit that wrote it, or a newer one",
        ) from error
    return Catalog(agent, files, moves, tuple(payload.unrecognized_fields.get(PRUNED, ())))


def write(catalog: Catalog, payload: Targets) -> Targets:
    """Give a copy of the role's payload that says what `catalog` says."""
    changed = copy.deepcopy(payload)
    changed.targets = {path: _file(one) for path, one in sorted(catalog.files.items())}
    own: dict[str, Any] = {
        MOVES: [{k: v for k, v in asdict(move).items() if v is not None} for move in catalog.moves],
        PRUNED: list(catalog.pruned),
    }
    for name, value in own.items():
        changed.unrecognized_fields.pop(name, None)
        if value:
            changed.unrecognized_fields[name] = value
    return changed


def _listed(file: TargetFile) -> Listed:
    return Listed(file.path, file.length, file.hashes["sha256"], parse_custom(file.custom))


def _file(one: Listed) -> TargetFile:
    custom = {"custom": one.target.to_custom()}
    return TargetFile(one.size, {"sha256": one.sha256}, one.path, custom)
