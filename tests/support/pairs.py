"""All pairs: few cases, in which any two values of different factors meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

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
