"""All pairs: few cases, in which any two values of different factors meet.

Two tests with the same values, one that starts `in_turn` at 0 and one at 1, show each value on each
system of two.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import combinations, product

from tests.support.images import suites

Case = Mapping[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]


def all_pairs(factors: Mapping[str, Sequence[str]]) -> list[Case]:
    """Give cases, each with a value of every factor: always the same ones, by greed."""
    every = [dict(zip(factors, values, strict=True)) for values in product(*factors.values())]
    missing = {pair for case in every for pair in pairs_of(case)}
    cases: list[Case] = []
    while missing:
        best = max(every, key=lambda case: len(missing & pairs_of(case)))
        missing -= pairs_of(best)
        cases.append(best)
    return cases


def pairs_of(case: Case) -> set[Pair]:
    """Give the pairs of values that meet in a case."""
    return set(combinations(case.items(), 2))


def in_turn(values: Sequence[str], start: int) -> list[tuple[str, str]]:
    """Give each value with a system of hosts, these by turns; with all of them in ALL_SUITES."""
    known = suites()
    if "ALL_SUITES" in os.environ:
        return list(product(known, values))
    return [(known[(start + at) % len(known)], value) for at, value in enumerate(values)]
