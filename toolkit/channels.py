"""Moves of channels: pure, an agent's catalog in and out, and no byte of a tarball.

A channel points at one version for all hosts. A version on its way in (a staged rollout) may stand
beside it for a percentage of them; the rest keeps the version that the channel points at.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from toolkit.errors import ChannelError, NotFoundError
from toolkit.host.target import ALL, Rollout, Target
from toolkit.trust.catalog import Catalog, Listed, Move

PROMOTE, ROLLBACK, YANK, UNYANK = "promote", "rollback", "yank", "unyank"


@dataclass(frozen=True)
class Pointer:
    """Where a channel points: `version` for all hosts, and `staged` for a part of them."""

    channel: str
    version: str | None
    staged: str | None = None
    rollout: Rollout | None = None


def channels(catalog: Catalog) -> tuple[str, ...]:
    """Give the names of all channels that point at something."""
    named = {name for one in catalog.files.values() for name in one.target.channels}
    return tuple(sorted(named))


def pointer(catalog: Catalog, channel: str) -> Pointer:
    """Find where `channel` points; at nothing where there is no such channel."""
    version = staged = rollout = None
    for one in catalog.files.values():
        found = one.target.channels.get(channel)
        if found and found.percent == ALL:
            version = one.target.version
        elif found:
            staged, rollout = one.target.version, found
    return Pointer(channel, version, staged, rollout)


def publish(catalog: Catalog, files: Iterable[Listed]) -> Catalog:
    """Vouch for new files; those that are listed keep their channels and their yank.

    A file of a version that stands in channels joins them, so that a version is in a channel whole.

    Raises ChannelError where a file of that name is listed with other bytes.
    """
    listed = dict(catalog.files)
    for one in files:
        known = listed.get(one.path)
        if known and (known.size, known.sha256) != (one.size, one.sha256):
            raise ChannelError(
                f"{one.path} was released with other bytes",
                why="what was released under a version never changes: hosts hold its hash",
                hint="release it under a new version",
            )
        same = (
            [known]
            if known
            else [_ for _ in listed.values() if _.target.version == one.target.version]
        )
        listed[one.path] = _joined(one, same)
    pruned = tuple(path for path in catalog.pruned if path not in listed)
    return replace(catalog, files=listed, pruned=pruned)


def _joined(one: Listed, same: Iterable[Listed]) -> Listed:
    channels = dict(one.target.channels)
    yanked = one.target.yanked
    for other in same:
        channels = {**channels, **other.target.channels}
        yanked = yanked or other.target.yanked
    return replace(one, target=replace(one.target, channels=channels, yanked=yanked))


def promote(catalog: Catalog, version: str, channel: str, percent: int, now: datetime) -> Catalog:
    """Point `channel` at `version`, for all hosts or for `percent` of them.

    Raises NotFoundError for an unknown version, ChannelError for a yanked one, or where all
    hosts have it already and fewer are asked for.
    """
    _require(catalog, version)
    reason = catalog.yanked(version)
    if reason is not None:
        raise ChannelError(
            f"{catalog.agent} {version} was yanked",
            why=reason,
            hint="release the mended agent under a new version; if the yank was a mistake: "
            f"toolkit yank {catalog.agent} {version} --undo",
        )
    at = pointer(catalog, channel)
    if at.version == version and percent < ALL:
        raise ChannelError(
            f"{channel} points at {version} for all hosts already",
            why=f"{percent} % of them would leave the others with no version",
            hint=f"go back first: toolkit rollback {catalog.agent} --channel {channel}",
        )
    if at.version == version and at.staged is None:
        return catalog
    if at.staged == version and at.rollout and at.rollout.percent == percent:
        return catalog
    # A wider rollout is the same rollout: hosts that have it stay in it.
    start = at.rollout.start if at.staged == version and at.rollout else _iso(now)
    move = Move(_iso(now), PROMOTE, version, channel, percent)
    if percent == ALL:
        return _point(catalog, Pointer(channel, version), move)
    return _point(catalog, replace(at, staged=version, rollout=Rollout(percent, start)), move)


def rollback(catalog: Catalog, channel: str, now: datetime, bad: str | None = None) -> Catalog:
    """Take a staged rollout back, else point `channel` at the version that it pointed at before.

    Versions that were yanked or pruned are passed over. With `bad`, nothing is done where the
    channel does not have that version: so it can be run again.

    Raises NotFoundError for an unknown channel, ChannelError where there was nothing before.
    """
    at = pointer(catalog, channel)
    if at.version is None and at.staged is None:
        raise _no_channel(catalog, channel)
    if bad is not None:
        _require(catalog, bad)
        if (at.staged or at.version) != bad:
            return catalog
    if at.staged is not None:
        move = Move(_iso(now), ROLLBACK, at.version or "", channel, ALL)
        return _point(catalog, Pointer(channel, at.version), move)
    before = previous(catalog, channel)
    if before is None:
        raise ChannelError(
            f"{channel} of {catalog.agent} pointed at nothing before {at.version}",
            why="no earlier version of it is there, or all of them were yanked or pruned",
            hint=f"promote the version that you want: toolkit promote {catalog.agent} VERSION "
            f"--channel {channel}",
        )
    move = Move(_iso(now), ROLLBACK, before, channel, ALL)
    return _point(catalog, Pointer(channel, before), move)


def yank(catalog: Catalog, version: str, reason: str, now: datetime) -> Catalog:
    """Say that nobody should install `version`, and roll back each channel that points at it.

    Raises NotFoundError for an unknown version.
    """
    _require(catalog, version)
    if catalog.yanked(version) is not None:
        return catalog
    marked = {one.path: replace(one.target, yanked=reason) for one in catalog.of(version)}
    changed = catalog.retarget(marked, Move(_iso(now), YANK, version, reason=reason))
    for channel in channels(catalog):
        at = pointer(changed, channel)
        if at.staged == version:
            move = Move(_iso(now), ROLLBACK, at.version or "", channel, ALL)
            changed = _point(changed, Pointer(channel, at.version), move)
        elif at.version == version:
            before = previous(changed, channel)
            move = Move(_iso(now), ROLLBACK, before or "", channel, ALL)
            changed = _point(changed, replace(at, version=before), move)
    return changed


def unyank(catalog: Catalog, version: str, now: datetime) -> Catalog:
    """Let hosts install `version` again; channels stay where they are.

    Raises NotFoundError for an unknown version.
    """
    _require(catalog, version)
    if catalog.yanked(version) is None:
        return catalog
    cleared = {one.path: replace(one.target, yanked=None) for one in catalog.of(version)}
    return catalog.retarget(cleared, Move(_iso(now), UNYANK, version))


def previous(catalog: Catalog, channel: str) -> str | None:
    """Find the version that `channel` pointed at before, as far as it can be installed still."""
    at = pointer(catalog, channel).version
    good = {version for version in catalog.versions if catalog.yanked(version) is None}
    earlier = (version for version in reversed(_trail(catalog, channel)) if version != at)
    return next((version for version in earlier if version in good), None)


def recent(catalog: Catalog, channel: str) -> tuple[str, ...]:
    """Give the versions that hosts of `channel` may have, the newest move first.

    Those that it was rolled back from are among them, since hosts may not have followed yet.

    Raises NotFoundError for an unknown channel.
    """
    moves = [move for move in catalog.moves if move.channel == channel and move.version]
    if not moves:
        raise _no_channel(catalog, channel)
    there = set(catalog.versions)
    found = dict.fromkeys(move.version for move in reversed(moves))
    return tuple(version for version in found if version in there)


def spare(catalog: Catalog, keep: int) -> tuple[str, ...]:
    """Give the versions that may be pruned: neither among the `keep` newest nor needed.

    What a channel points at, for all or for a part, is needed, and so is what a rollback of it
    would bring back.
    """
    needed = set(catalog.versions[-keep:] if keep else ())
    for channel in channels(catalog):
        at = pointer(catalog, channel)
        needed |= {each for each in (at.version, at.staged, previous(catalog, channel)) if each}
    return tuple(version for version in catalog.versions if version not in needed)


def prune(catalog: Catalog, versions: Iterable[str]) -> Catalog:
    """Stop vouching for `versions`; the names of their files are kept, to be deleted."""
    gone = set(versions)
    paths = [path for path, one in catalog.files.items() if one.target.version in gone]
    files = {path: one for path, one in catalog.files.items() if path not in paths}
    return replace(catalog, files=files, pruned=(*catalog.pruned, *sorted(paths)))


def _trail(catalog: Catalog, channel: str) -> list[str]:
    """Give the versions that led to where `channel` points: what was rolled back is not in it."""
    trail: list[str] = []
    for move in catalog.moves:
        if move.channel != channel or move.percent != ALL or not move.version:
            continue
        if move.action == ROLLBACK and move.version in trail:
            while trail[-1] != move.version:
                trail.pop()
        elif not trail or trail[-1] != move.version:
            trail.append(move.version)
    return trail


def _point(catalog: Catalog, to: Pointer, move: Move) -> Catalog:
    """Set what the channel says of each file, and note the move."""
    changed: dict[str, Target] = {}
    for path, one in catalog.files.items():
        was = one.target.channels.get(to.channel)
        now: Rollout | None = None
        if one.target.version == to.version:
            now = was if was and was.percent == ALL else Rollout(ALL, move.time)
        elif one.target.version == to.staged:
            now = to.rollout
        if now != was:
            named = {name: each for name, each in one.target.channels.items() if name != to.channel}
            if now:
                named[to.channel] = now
            changed[path] = replace(one.target, channels=named)
    return catalog.retarget(changed, move)


def _require(catalog: Catalog, version: str) -> None:
    if version not in catalog.versions:
        near = difflib.get_close_matches(version, catalog.versions, n=1)
        raise NotFoundError(
            f"there is no {catalog.agent} {version} in the store's metadata",
            why=f"its versions are {', '.join(catalog.versions) or 'none'}",
            hint=f"did you mean {near[0]}?" if near else f"run `toolkit upload {catalog.agent}`",
        )


def _no_channel(catalog: Catalog, channel: str) -> NotFoundError:
    return NotFoundError(
        f"{catalog.agent} has no channel {channel!r}",
        why=f"its channels are {', '.join(channels(catalog)) or 'none'}",
        hint=f"make it by `toolkit promote {catalog.agent} VERSION --channel {channel}`",
    )


def _iso(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
