"""How a fleet is cut into waves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UsageError
from toolkit.waves import Member, Shape, count_of, cut


def fleet(count: int, **more: object) -> list[Member]:
    return [Member(f"h{number}", **more) for number in range(count)]  # type: ignore[arg-type]


def test_canaries_then_shares_of_the_whole_fleet_then_the_rest() -> None:
    waves = cut(fleet(100), Shape(1, ("10%", "50%")))
    assert [len(wave) for wave in waves] == [1, 9, 40, 50]
    assert [len(wave) for wave in cut(fleet(50), Shape(2, ("5", "50%")))] == [2, 3, 20, 25]
    assert [len(wave) for wave in cut(fleet(3), Shape(1, ("10%", "50%")))] == [1, 1, 1]
    assert [len(wave) for wave in cut(fleet(4), Shape(0, ()))] == [4]
    assert cut([], Shape()) == ()


@given(st.integers(0, 60), st.integers(0, 5), st.lists(st.integers(0, 100), max_size=5))
def test_every_host_is_in_one_wave(count: int, canaries: int, steps: list[int]) -> None:
    waves = cut(fleet(count), Shape(canaries, tuple(f"{step}%" for step in steps)))
    assert [host for wave in waves for host in wave] == [member.name for member in fleet(count)]
    assert all(waves)


def test_groups_in_the_order_in_which_they_are_named() -> None:
    members = [
        Member("a", ("eu",)),
        Member("b", ("us",)),
        Member("c", ("eu", "canaries")),
        Member("d", ()),
        Member("e", ("us",)),
    ]
    assert cut(members, Shape(1, by=("us", "eu"))) == (("c",), ("b", "e"), ("a",), ("d",))


def test_each_value_of_a_variable_is_a_wave() -> None:
    members = [
        Member(name, labels={"region": region} if region else {})
        for name, region in (("a", "eu"), ("b", "ap"), ("c", "eu"), ("d", ""))
    ]
    assert cut(members, Shape(0, by=("region",))) == (("b",), ("a", "c"), ("d",))
    with pytest.raises(UsageError, match="'planet'"):
        cut(members, Shape(0, by=("planet",)))


@pytest.mark.parametrize(
    ("text", "total", "up", "down"),
    [("5%", 50, 3, 2), ("5", 50, 5, 5), ("0", 9, 0, 0), ("80", 9, 9, 9), ("2.5%", 40, 1, 1)],
)
def test_counts_and_shares(text: str, total: int, up: int, down: int) -> None:
    assert count_of(text, total) == up
    assert count_of(text, total, down=True) == down


@pytest.mark.parametrize("text", ["", "%", "-1", "five", "1.5", "101%", "1e1%", "٣"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(UsageError):
        count_of(text, 10)
