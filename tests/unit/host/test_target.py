from typing import Any

import pytest

from toolkit.host.errors import BadRelease
from toolkit.host.target import Rollout, Tar, Target, parse_custom

FULL = Target(
    "delta",
    "beacon",
    "1.1.0",
    "linux-x64",
    Tar(3, "ab" * 32),
    "0.2.0",
    {"stable": Rollout(10, "2026-03-04T05:06:07Z"), "beta": Rollout()},
    "eats data",
    "zstd",
    {"version": "1.0.0", "sha256": "cd" * 32},
)


@pytest.mark.parametrize("target", [FULL, Target("release", "beacon", "1.0.0")])
def test_it_comes_back_as_it_was_written(target: Target) -> None:
    assert parse_custom(target.to_custom()) == target


def test_the_format_is_the_documented_one() -> None:
    assert FULL.to_custom() == {
        "schema": 1,
        "kind": "delta",
        "name": "beacon",
        "version": "1.1.0",
        "platform": "linux-x64",
        "tar": {"size": 3, "sha256": "ab" * 32},
        "minimum_agentctl": "0.2.0",
        "channels": {
            "stable": {"percent": 10, "start": "2026-03-04T05:06:07Z"},
            "beta": {"percent": 100, "start": None},
        },
        "yanked": "eats data",
        "compression": "zstd",
        "from": {"version": "1.0.0", "sha256": "cd" * 32},
    }


def test_what_a_newer_toolkit_adds_is_passed_over() -> None:
    assert parse_custom({**FULL.to_custom(), "colour": "red"}) == FULL


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": None},
        {"kind": None},
        {"name": 1},
        {"version": ["1"]},
        {"platform": 1},
        {"tar": {"size": -1, "sha256": "ab" * 32}},
        {"tar": {"size": True, "sha256": "ab" * 32}},
        {"tar": {"size": 1, "sha256": "AB" * 32}},
        {"tar": {"size": 1}},
        {"tar": 3},
        {"channels": {"stable": {"percent": 0}}},
        {"channels": {"stable": {"percent": 101}}},
        {"channels": {"stable": {"percent": "10"}}},
        {"channels": {"stable": {}}},
        {"channels": []},
        {"yanked": True},
        {"from": 1},
    ],
)
def test_what_is_not_of_the_format_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadRelease):
        parse_custom({**FULL.to_custom(), **change})


@pytest.mark.parametrize("data", [None, [], "text", {}])
def test_other_data_is_refused(data: object) -> None:
    with pytest.raises(BadRelease):
        parse_custom(data)
