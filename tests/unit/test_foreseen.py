"""What a check foresaw, held against what was done: the judge of Molecule's scenarios."""

from __future__ import annotations

import json

import pytest

from tests.support.foreseen import missed, runs

INSTALL, START = ["install", {"after": "1.0.0"}], ["start", {}]


def line(host: str, process: int, said: object, *, check: bool = False) -> str:
    return json.dumps({"host": host, "process": process, "check": check, "said": said})


def both(host: str) -> list[str]:
    """Check in a process of its own, then do it."""
    tasks = (INSTALL, START)
    checked = [line(host, 1, said, check=True) for said in tasks]
    return checked + [line(host, 2, said) for said in tasks]


def test_what_was_foreseen_is_what_was_done() -> None:
    again = [line("a", 3, None)]
    assert missed(runs([*both("a"), *both("b"), *again])) == []


def test_a_check_within_the_same_play() -> None:
    upgrade, back = ["upgrade", {}], ["back", {}]
    lines = [line("a", 1, said, check=check) for said in (upgrade, back) for check in (True, False)]
    assert missed(runs(lines)) == []


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([*both("a")[:3], line("a", 2, ["restart", {}])], "a: foreseen was"),
        (both("a")[:3], "a: foreseen was"),
        (both("a")[:2], "nothing came after a check"),
        ([*both("a")[:2], *both("b")], "a: foreseen was"),
        ([*both("a"), line("b", 2, INSTALL)], "b: nothing was checked"),
    ],
)
def test_what_was_not_foreseen_is_said(lines: list[str], why: str) -> None:
    (said,) = missed(runs(lines))
    assert why in said
