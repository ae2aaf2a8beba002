"""What a check says of a change, and the change itself: the two must be the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

FORESEEN = ("changed", "steps", "before", "after", "diff")


def change(result: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an answer or a result says of a change."""
    return {name: result.get(name) for name in FORESEEN}


@dataclass(frozen=True)
class Run:
    """What tasks changed on a host, one after the other; with `check`, what they would have."""

    host: str
    check: bool
    said: tuple[Any, ...]


def runs(lines: Iterable[str]) -> list[Run]:
    """Read what the callback `foresight` wrote; gives the runs of each host, in order."""
    found: dict[str, list[tuple[object, Run]]] = {}
    for row in map(json.loads, lines):
        host, check, said = row["host"], row["check"], row["said"]
        every, key = found.setdefault(host, []), (row["process"], check)
        before = every.pop()[1].said if every and every[-1][0] == key else ()
        every.append((key, Run(host, check, before if said is None else (*before, said))))
    return [run for each in found.values() for _, run in each]


def missed(found: Iterable[Run]) -> list[str]:
    """Say where a run did other things than the check before it foresaw, or was not checked."""
    every = list(found)
    wrong = [
        f"{before.host}: foreseen was {before.said}, done was {after.said}"
        for before, after in pairwise(every)
        if before.check
        and (after.host, after.check, after.said) != (before.host, False, before.said)
    ]
    if every and every[-1].check:
        wrong.append(f"{every[-1].host}: nothing came after a check")
    unseen = {run.host for run in every} - {run.host for run in every if run.check}
    return wrong + [f"{host}: nothing was checked" for host in sorted(unseen)]
