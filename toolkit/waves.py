"""Cuts a fleet into waves, and reads what operators say about waves and budgets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from toolkit.errors import UsageError

# A group of the inventory with this name says who the canaries are.
CANARIES = "canaries"
DEFAULT_STEPS = ("10%", "50%")


@dataclass(frozen=True)
class Member:
    """A host as waves see it: its name, its groups and its variables."""

    name: str
    groups: tuple[str, ...] = ()
    labels: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Shape:
    """The waves an operator wants: so many canaries, then up to `steps`, or one for each `by`."""

    canaries: int = 1
    steps: tuple[str, ...] = DEFAULT_STEPS
    by: tuple[str, ...] = ()


def cut(members: Sequence[Member], shape: Shape) -> tuple[tuple[str, ...], ...]:
    """Give the waves, none of them empty: canaries, then what `shape` says, then the rest.

    `steps` say how far the whole fleet is to be by the end of a wave: 10%,50% of 100 hosts and one
    canary are waves of 1, 9, 40 and 50. Shares are rounded up. With `by`, each word is a group of
    the inventory, or a variable of hosts of which each value is a wave.

    Raises UsageError where a word of `by` is neither, or a step is no number or share.
    """
    members = sorted(members, key=lambda member: CANARIES not in member.groups)
    canaries = [member.name for member in members[: shape.canaries]]
    rest = members[shape.canaries :]
    if shape.by:
        waves = _by_words(rest, shape.by)
    else:
        names = [member.name for member in members]
        ends = [len(canaries), *(count_of(step, len(names)) for step in shape.steps), len(names)]
        waves = [names[start:end] for start, end in _spans(ends)]
    return tuple(tuple(wave) for wave in [canaries, *waves] if wave)


def count_of(text: str, total: int, *, down: bool = False) -> int:
    """Read `5` or `10%` of `total`; a share is rounded up, or down where `down` says so.

    Raises UsageError where it is neither, or more than all.
    """
    number = text.strip().removesuffix("%")
    if not (number.isascii() and number.replace(".", "", 1).isdigit()):
        raise UsageError(f"{text!r} is no number of hosts and no share such as 5%")
    if not text.strip().endswith("%"):
        if not number.isdigit():
            raise UsageError(f"{text!r} is no whole number of hosts")
        return min(int(number), total)
    share = float(number)
    if share > 100:
        raise UsageError(f"{text} is more than all hosts")
    exact = round(share * total / 100, 9)
    return math.floor(exact) if down else math.ceil(exact)


def _spans(ends: Iterable[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start, *rest = ends
    for end in rest:
        spans.append((start, max(start, end)))
        start = max(start, end)
    return spans


def _by_words(members: Sequence[Member], words: Sequence[str]) -> list[list[str]]:
    waves: list[list[str]] = []
    left = list(members)
    for word in words:
        for wave in _by_word(left, word):
            waves.append([member.name for member in wave])
            left = [member for member in left if member not in wave]
    return [*waves, [member.name for member in left]]


def _by_word(members: Sequence[Member], word: str) -> list[list[Member]]:
    grouped = [member for member in members if word in member.groups]
    if grouped:
        return [grouped]
    labels = {member.name: (member.labels or {}).get(word) for member in members}
    values = sorted({str(value) for value in labels.values() if value is not None})
    if members and not values:
        raise UsageError(
            f"no host that is left for a wave has a group or a variable {word!r}",
            hint="name groups of the inventory, or variables of its hosts, in the order of waves",
        )
    return [[member for member in members if str(labels[member.name]) == v] for v in values]
