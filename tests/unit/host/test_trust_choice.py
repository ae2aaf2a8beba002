"""Which release a host takes: by version or by channel, all at once or in part."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from toolkit.host.choice import Host, Offer, Wanted, bucket, choose, order, taken_out
from toolkit.host.errors import (
    AgentctlError,
    BadMetadata,
    NotYet,
    TooOld,
    UnknownTarget,
    Unsupported,
    Yanked,
)
from toolkit.host.target import Rollout, Target

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BEFORE, AFTER = "2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z"
STABLE = Wanted("tiny", channel="stable")


def offer(version: str, **values: object) -> Offer:
    target = Target(**{"kind": "release", "name": "tiny", "version": version, **values})  # type: ignore[arg-type]
    return Offer(f"tiny-v{version}-{target.platform}.tar.gz", 1, "ab" * 32, target)


def in_stable(version: str, percent: int = 100, start: str | None = None, **more: object) -> Offer:
    return offer(version, channels={"stable": Rollout(percent, start)}, **more)


def host(machine_id: str = "0123", *, running: str | None = None, agentctl: str = "0.1.0") -> Host:
    return Host("linux-x64", machine_id, running, agentctl, NOW)


def machine(version: str, percent: int, *, inside: bool) -> str:
    """Give a machine id that is inside or outside of the first `percent` of a rollout."""
    numbers = (str(number) for number in range(1000))
    return next(each for each in numbers if (bucket(each, "tiny", version) < percent) == inside)


def chosen(offers: list[Offer], wanted: Wanted, at: Host) -> str:
    return choose(offers, wanted, at).target.version


def test_a_version_is_taken_as_it_is_named() -> None:
    offers = [offer("1.0.0"), offer("2.0.0")]
    assert chosen(offers, Wanted("tiny", "1.0.0"), host()) == "1.0.0"


def test_the_file_for_this_platform_comes_before_the_one_for_all() -> None:
    offers = [offer("1.0.0"), offer("1.0.0", platform="linux-x64")]
    assert choose(offers, Wanted("tiny", "1.0.0"), host()).target.platform == "linux-x64"
    assert choose(offers[:1], Wanted("tiny", "1.0.0"), host()).target.platform is None


@pytest.mark.parametrize("wanted", [Wanted("tiny", "1.0.0"), STABLE])
def test_another_platform_is_named(wanted: Wanted) -> None:
    with pytest.raises(Unsupported) as caught:
        choose([in_stable("1.0.0", platform="linux-arm64")], wanted, host())
    assert "released for linux-arm64, and this machine is linux-x64" in caught.value.message


@pytest.mark.parametrize(
    "values",
    [{"kind": "delta"}, {"kind": "sbom"}, {"compression": "zstd"}, {"name": "other"}],
)
def test_what_is_no_release_for_agentctl_is_not_taken(values: dict[str, object]) -> None:
    with pytest.raises(UnknownTarget):
        choose([offer("1.0.0", **values)], Wanted("tiny", "1.0.0"), host())


def test_an_unknown_version_is_told_the_newest_ones() -> None:
    offers = [offer(f"1.{minor}.0") for minor in range(12)]
    with pytest.raises(UnknownTarget) as caught:
        choose(offers, Wanted("tiny", "9"), host())
    assert "1.11.0, 1.10.0, 1.9.0, 1.8.0, 1.7.0" in caught.value.hint


def test_an_unknown_channel_is_told_which_there_are() -> None:
    with pytest.raises(UnknownTarget) as caught:
        choose([in_stable("1.0.0")], Wanted("tiny", channel="beta"), host())
    assert "nothing in the channel beta" in caught.value.message
    assert "stable" in caught.value.hint


def test_the_place_in_a_rollout_is_what_the_guide_says() -> None:
    digest = hashlib.sha256(b"0123tiny1.0.0").hexdigest()
    assert bucket("0123", "tiny", "1.0.0") == int(digest, 16) % 100


def test_a_rollout_takes_about_its_part_and_keeps_it_when_it_grows() -> None:
    hosts = [f"{number:032x}" for number in range(2000)]
    tenth = {each for each in hosts if bucket(each, "tiny", "1.0.0") < 10}
    half = {each for each in hosts if bucket(each, "tiny", "1.0.0") < 50}
    assert 140 < len(tenth) < 260
    assert tenth < half


def test_another_version_begins_with_other_hosts() -> None:
    hosts = [f"{number:032x}" for number in range(500)]
    first, second = (
        [each for each in hosts if bucket(each, "tiny", version) < 10]
        for version in ("1.0.0", "1.0.1")
    )
    assert first != second


def test_a_staged_version_is_for_those_that_it_reaches() -> None:
    offers = [in_stable("1.0.0", start=BEFORE), in_stable("2.0.0", 10)]
    assert chosen(offers, STABLE, host(machine("2.0.0", 10, inside=True))) == "2.0.0"
    assert chosen(offers, STABLE, host(machine("2.0.0", 10, inside=False))) == "1.0.0"


def test_a_rollout_begins_when_it_begins() -> None:
    offers = [in_stable("1.0.0"), in_stable("2.0.0", 100, AFTER)]
    assert chosen(offers, STABLE, host()) == "1.0.0"
    offers = [in_stable("1.0.0"), in_stable("2.0.0", 100, BEFORE)]
    assert chosen(offers, STABLE, host()) == "2.0.0"


def test_a_channel_may_go_back_to_an_older_version() -> None:
    offers = [in_stable("1.0.0"), offer("2.0.0")]
    assert chosen(offers, STABLE, host(running="2.0.0")) == "1.0.0"


def test_a_host_without_a_machine_id_comes_last() -> None:
    offers = [in_stable("1.0.0"), in_stable("2.0.0", 99)]
    assert chosen(offers, STABLE, host("")) == "1.0.0"


def test_a_rollout_without_a_version_for_the_others_says_so() -> None:
    with pytest.raises(UnknownTarget) as caught:
        choose([in_stable("1.0.0", 100, AFTER)], STABLE, host())
    assert "no version for this host yet" in caught.value.message


def test_a_start_that_is_no_time_is_named() -> None:
    with pytest.raises(BadMetadata) as caught:
        choose([in_stable("1.0.0", 100, "soon")], STABLE, host())
    assert "'soon'" in caught.value.message


def test_a_version_that_was_taken_back_is_refused_with_its_reason() -> None:
    offers = [in_stable("1.0.0", yanked="it loses messages")]
    for wanted in (Wanted("tiny", "1.0.0"), STABLE):
        with pytest.raises(Yanked) as caught:
            choose(offers, wanted, host())
        assert "tiny 1.0.0 was taken back: it loses messages" in caught.value.message


def test_a_version_that_was_taken_back_may_stay_where_it_runs() -> None:
    offers = [in_stable("1.0.0", yanked="it loses messages")]
    for wanted in (Wanted("tiny", "1.0.0"), STABLE):
        assert chosen(offers, wanted, host(running="1.0.0")) == "1.0.0"


def test_a_channel_goes_around_a_staged_version_that_was_taken_back() -> None:
    offers = [in_stable("1.0.0"), in_stable("2.0.0", 50, yanked="it loses messages")]
    inside = machine("2.0.0", 50, inside=True)
    assert chosen(offers, STABLE, host(inside)) == "1.0.0"


@pytest.mark.parametrize(("minimum", "fits"), [("0.1.0", True), ("0.0.9", True), ("0.2.0", False)])
def test_a_release_may_want_a_newer_agentctl(minimum: str, fits: bool) -> None:
    offers = [offer("1.0.0", minimum_agentctl=minimum)]
    if fits:
        assert chosen(offers, Wanted("tiny", "1.0.0"), host(agentctl="0.1.0"))
        return
    with pytest.raises(TooOld) as caught:
        choose(offers, Wanted("tiny", "1.0.0"), host(agentctl="0.1.0"))
    assert "needs agentctl 0.2.0 or newer, and this is 0.1.0" in caught.value.message
    assert caught.value.exit_code == 23


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9.0", "1.10.0"), ("1.0-rc1", "1.0"), ("1.0", "1.0.1"), ("1.0a1", "1.0a2")],
)
def test_versions_are_sorted_as_people_count(older: str, newer: str) -> None:
    assert order(older) < order(newer)


def test_a_version_that_the_channel_had_and_lost_was_taken_out() -> None:
    targets = [in_stable("1.0.0").target, offer("1.1.0").target]
    moves = [{"action": "promote", "version": "1.1.0", "channel": "stable"}]
    at = host(running="1.1.0")
    assert taken_out(targets, moves, STABLE, at)
    assert not taken_out(targets, moves, Wanted("tiny", channel="beta"), at)
    assert not taken_out(targets, [], STABLE, at)  # somebody put it there by hand
    assert taken_out(targets[:1], moves, STABLE, at)  # pruned since


def test_a_rollout_that_becomes_smaller_takes_nothing_from_who_had_it() -> None:
    targets = [in_stable("1.0.0").target, in_stable("1.1.0", 10).target]
    moves = [{"action": "promote", "version": "1.1.0", "channel": "stable"}]
    assert not taken_out(targets, moves, STABLE, host(running="1.1.0"))


def test_a_yanked_version_was_taken_out() -> None:
    targets = [in_stable("1.0.0").target, offer("1.1.0", yanked="it forgets").target]
    assert taken_out(targets, [], STABLE, host(running="1.1.0"))


def test_every_fault_of_trust_has_an_exit_code_of_its_own() -> None:
    def below(kind: type[AgentctlError]) -> list[type[AgentctlError]]:
        return [kind, *(each for sub in kind.__subclasses__() for each in below(sub))]

    # That it is not this host's turn yet is a kind of not being there.
    kinds = [kind for kind in below(AgentctlError) if 40 <= kind.exit_code < 49]
    kinds.remove(NotYet)
    assert len(kinds) == len({kind.exit_code for kind in kinds}) == 9
