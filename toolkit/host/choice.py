"""Chooses among the releases of signed metadata the one that a host shall run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from toolkit.host.clock import parse_time
from toolkit.host.errors import BadMetadata, NotYet, TooOld, UnknownTarget, Unsupported, Yanked
from toolkit.host.target import ALL, Rollout, Target

KIND = "release"
COMPRESSIONS = (None, "gzip")
OTHER_KINDS = (KIND, "delta")
OTHER_COMPRESSION = "zstd"
_SHOWN = 5
# After the last part of a version: less than a number, more than a word.
_END = (-1, "\U0010ffff")
# Moves that point a channel at a version.
_POINTING = ("promote", "rollback")


@dataclass(frozen=True)
class Offer:
    """A file of the store: name, length in bytes, SHA-256, and what was signed of it.

    `others` are files that hold the same tar: smaller, and not for every host.
    """

    file: str
    size: int
    sha256: str
    target: Target
    others: tuple[Offer, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """A version of an agent, or what a channel says; one of the two is None."""

    name: str
    version: str | None = None
    channel: str | None = None


@dataclass(frozen=True)
class Host:
    """What decides on this host: `running` is the version there now, `agentctl` our own."""

    platform: str
    machine_id: str
    running: str | None
    agentctl: str
    now: datetime


def choose(offers: Iterable[Offer], wanted: Wanted, host: Host) -> Offer:
    """Give the release that `wanted` means on `host`.

    Raises UnknownTarget, Unsupported (no such platform), Yanked or TooOld.
    """
    offers = tuple(offers)
    releases = [offer for offer in offers if _is_release(offer.target, wanted.name)]
    found = _by_version(releases, wanted, host) if wanted.version else []
    if wanted.channel:
        found = _by_channel(releases, wanted, host)
    _for_platform(found, host)
    offer = max(_fitting(found, host), key=lambda each: each.target.platform is not None)
    _usable(offer.target, host)
    return replace(offer, others=tuple(_others(offers, offer.target, host)))


def _others(offers: Iterable[Offer], whole: Target, host: Host) -> Iterator[Offer]:
    """Give the files of the same tar; one that lacks what this agentctl must know is no fault."""
    for offer in offers:
        target = offer.target
        same = replace(
            target,
            kind=whole.kind,
            channels=whole.channels,
            compression=whole.compression,
            source=whole.source,
            minimum_agentctl=whole.minimum_agentctl,
        )
        if (
            target.kind in OTHER_KINDS
            and target.compression == OTHER_COMPRESSION
            and target.tar is not None
            and same == whole
            and not _too_old(target, host)
        ):
            yield offer


def _is_release(target: Target, name: str) -> bool:
    return (target.kind, target.name) == (KIND, name) and target.compression in COMPRESSIONS


def _by_version(releases: Sequence[Offer], wanted: Wanted, host: Host) -> list[Offer]:
    found = [offer for offer in releases if offer.target.version == wanted.version]
    if not found:
        known = sorted({offer.target.version for offer in releases}, key=order)[-_SHOWN:]
        raise UnknownTarget(
            f"the store's signed metadata has no {wanted.name} {wanted.version}",
            hint=f"publish it, or name one of {', '.join(reversed(known)) or '(there is none)'}",
        )
    _not_yanked(found, host)
    return found


def _by_channel(releases: Sequence[Offer], wanted: Wanted, host: Host) -> list[Offer]:
    """Give the files of the version that the channel has for this host.

    A version that is rolled out to a part of the hosts comes before the one that all have.
    """
    channel = wanted.channel or ""
    in_channel = [offer for offer in _fitting(releases, host) if channel in offer.target.channels]
    _for_platform([offer for offer in releases if channel in offer.target.channels], host)
    if not in_channel:
        known = sorted({name for offer in releases for name in offer.target.channels})
        raise UnknownTarget(
            f"{wanted.name} has nothing in the channel {channel}",
            hint=f"promote a version, or name one of {', '.join(known) or '(there is none)'}",
        )
    reached = [offer for offer in in_channel if _reaches(offer.target, channel, host)]
    if not reached:
        raise NotYet(
            f"the channel {channel} of {wanted.name} has no version for this host yet: "
            "it is rolled out to other hosts first",
            hint="run it again later, or install a certain version",
        )
    good = [offer for offer in reached if not _refused(offer.target, host)]
    _not_yanked(good or reached, host)
    best = max(good, key=lambda offer: _rank(offer.target, channel))
    return [offer for offer in good if offer.target.version == best.target.version]


def _reaches(target: Target, channel: str, host: Host) -> bool:
    rollout = target.channels[channel]
    started = rollout.start is None or host.now >= _time(rollout.start)
    return started and bucket(host.machine_id, target.name, target.version) < rollout.percent


def bucket(machine_id: str, name: str, version: str) -> int:
    """Give this host's place, 0 to 99, in the rollout of a version.

    A host without a machine id comes last. The hash gives each version another order of hosts.
    """
    if not machine_id:
        return ALL - 1
    digest = hashlib.sha256(f"{machine_id}{name}{version}".encode()).hexdigest()
    return int(digest, 16) % ALL


def _rank(target: Target, channel: str) -> tuple[bool, float, tuple[tuple[int, str], ...]]:
    rollout = target.channels[channel]
    return (rollout.percent < ALL, _began(rollout), order(target.version))


def _began(rollout: Rollout) -> float:
    return 0.0 if rollout.start is None else _time(rollout.start).timestamp()


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise BadMetadata(
            f"the store's signed metadata has {text!r} as the start of a rollout, which is no time",
            hint="promote the version again",
        ) from error


def order(version: str) -> tuple[tuple[int, str], ...]:
    """Give a key that sorts versions as people count: 1.10 after 1.9, and 1.0-rc1 before 1.0."""
    parts = (
        (int(part), "") if part.isdigit() else (-1, part)
        for part in re.findall(r"\d+|[^\d.]+", version)
    )
    return (*parts, _END)


def taken_out(
    targets: Iterable[Target], moves: Iterable[Mapping[str, Any]], wanted: Wanted, host: Host
) -> bool:
    """Say whether the version that runs on `host` was taken back by those who publish.

    It was, where it was yanked, or where the channel had it, for all or for a part of the
    hosts, and has it no more. `moves` are those that were signed with the targets.
    """
    same = [each for each in targets if (each.name, each.version) == (wanted.name, host.running)]
    if any(each.yanked is not None for each in same):
        return True
    if any(wanted.channel in each.channels for each in same):
        return False
    pointed = ((word, host.running, wanted.channel) for word in _POINTING)
    moved = [(move.get("action"), move.get("version"), move.get("channel")) for move in moves]
    return any(each in moved for each in pointed)


def _fitting(offers: Iterable[Offer], host: Host) -> list[Offer]:
    return [offer for offer in offers if offer.target.platform in (None, host.platform)]


def _for_platform(offers: Sequence[Offer], host: Host) -> None:
    if offers and not _fitting(offers, host):
        known = ", ".join(sorted({offer.target.platform or "any" for offer in offers}))
        raise Unsupported(
            f"this version was released for {known}, and this machine is {host.platform}",
            hint="use a machine of such a platform, or release the agent for this one",
        )


def _refused(target: Target, host: Host) -> bool:
    return target.yanked is not None and target.version != host.running


def _not_yanked(offers: Sequence[Offer], host: Host) -> None:
    for target in (offer.target for offer in offers):
        if _refused(target, host):
            raise Yanked(
                f"{target.name} {target.version} was taken back: {target.yanked}",
                hint="install another version",
            )


def _usable(target: Target, host: Host) -> None:
    if _too_old(target, host):
        raise TooOld(
            f"{target.name} {target.version} needs agentctl {target.minimum_agentctl} or newer, "
            f"and this is {host.agentctl}",
            hint="get a new install script: it brings the agentctl that is published now",
        )


def _too_old(target: Target, host: Host) -> bool:
    return _numbers(host.agentctl) < _numbers(target.minimum_agentctl)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
