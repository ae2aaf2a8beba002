"""Moves of channels, on catalogs alone: no store, no key, no clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import Targets

from tests.support.trusted import AGENT, listed
from toolkit import channels
from toolkit.errors import ChannelError, NotFoundError, ToolkitError
from toolkit.host.target import Rollout
from toolkit.trust import catalog as catalogs
from toolkit.trust.catalog import KEPT_MOVES, Catalog

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
START = "2026-03-04T05:06:07Z"
LATER = NOW + timedelta(days=1)
VERSIONS = ("1.0", "1.1", "1.2", "1.10")


def catalog(*versions: str) -> Catalog:
    """Give a catalog with two platforms of each version."""
    files = []
    for version in versions or VERSIONS:
        one = listed(version)
        for platform in ("linux-x64", "linux-arm64"):
            path = f"{AGENT}-v{version}-{platform}.tar.gz"
            files.append(replace(one, path=path, target=replace(one.target, platform=platform)))
    return channels.publish(Catalog(AGENT, {}), files)


def stable(one: Catalog) -> tuple[str | None, str | None, int | None]:
    at = channels.pointer(one, "stable")
    return at.version, at.staged, at.rollout.percent if at.rollout else None


def promoted(*versions: str) -> Catalog:
    one = catalog()
    for version in versions:
        one = channels.promote(one, version, "stable", 100, NOW)
    return one


def test_versions_are_in_their_order() -> None:
    assert catalog("1.10", "1.2", "2.0.0-rc.1", "2.0.0", "1.2-odd_one").versions == (
        "1.2-odd_one",
        "1.2",
        "1.10",
        "2.0.0-rc.1",
        "2.0.0",
    )


def test_a_promotion_moves_every_file_of_a_version() -> None:
    one = promoted("1.0", "1.1")
    assert {f.target.version for f in one.files.values() if "stable" in f.target.channels} == {
        "1.1"
    }
    assert [f.target.channels for f in one.of("1.1")] == [{"stable": Rollout(100, START)}] * 2


def test_a_staged_rollout_leaves_the_rest_what_it_has() -> None:
    one = channels.promote(promoted("1.0"), "1.1", "stable", 10, NOW)
    assert stable(one) == ("1.0", "1.1", 10)
    one = channels.promote(one, "1.1", "stable", 50, LATER)
    assert stable(one) == ("1.0", "1.1", 50)
    # It is the same rollout, so hosts that were in it stay in it.
    assert channels.pointer(one, "stable").rollout == Rollout(50, START)
    one = channels.promote(one, "1.2", "stable", 5, LATER)
    assert stable(one) == ("1.0", "1.2", 5)
    one = channels.promote(one, "1.2", "stable", 100, LATER)
    assert stable(one) == ("1.2", None, None)


def test_a_promotion_that_holds_already_is_no_move() -> None:
    one = promoted("1.0")
    assert channels.promote(one, "1.0", "stable", 100, LATER) is one
    staged = channels.promote(one, "1.1", "stable", 10, NOW)
    assert channels.promote(staged, "1.1", "stable", 10, LATER) is staged


def test_promoting_what_all_have_ends_a_rollout_beside_it() -> None:
    one = channels.promote(promoted("1.0"), "1.1", "stable", 10, NOW)
    assert stable(channels.promote(one, "1.0", "stable", 100, NOW)) == ("1.0", None, None)


def test_a_version_that_all_have_is_not_taken_from_most_of_them() -> None:
    with pytest.raises(ChannelError, match="for all hosts already"):
        channels.promote(promoted("1.0"), "1.0", "stable", 10, NOW)


def test_rollbacks_go_back_one_by_one() -> None:
    one = promoted("1.0", "1.1", "1.2")
    one = channels.rollback(one, "stable", NOW)
    assert stable(one)[0] == "1.1"
    one = channels.rollback(one, "stable", NOW)
    assert stable(one)[0] == "1.0"
    with pytest.raises(ChannelError, match="pointed at nothing before"):
        channels.rollback(one, "stable", NOW)


def test_what_was_rolled_back_is_not_gone_back_to() -> None:
    one = channels.rollback(promoted("1.0", "1.1"), "stable", NOW)
    one = channels.promote(one, "1.2", "stable", 100, NOW)
    assert stable(channels.rollback(one, "stable", NOW))[0] == "1.0"


def test_a_rollback_ends_a_rollout_first() -> None:
    one = channels.promote(promoted("1.0", "1.1"), "1.2", "stable", 10, NOW)
    one = channels.rollback(one, "stable", NOW)
    assert stable(one) == ("1.1", None, None)
    assert stable(channels.rollback(one, "stable", NOW))[0] == "1.0"


def test_a_rollback_passes_over_what_was_yanked_or_pruned() -> None:
    one = channels.yank(promoted("1.0", "1.1", "1.2"), "1.1", "bad", NOW)
    assert stable(channels.rollback(one, "stable", NOW))[0] == "1.0"
    one = channels.prune(promoted("1.0", "1.1", "1.2"), ["1.1"])
    assert stable(channels.rollback(one, "stable", NOW))[0] == "1.0"


def test_channels_do_not_touch_each_other() -> None:
    one = channels.promote(promoted("1.0", "1.1"), "1.1", "beta", 100, NOW)
    one = channels.rollback(one, "stable", NOW)
    assert channels.pointer(one, "beta").version == "1.1"
    assert channels.channels(one) == ("beta", "stable")
    with pytest.raises(NotFoundError, match="no channel 'nightly'"):
        channels.rollback(one, "nightly", NOW)


def test_a_yank_rolls_back_what_points_at_it() -> None:
    one = channels.promote(promoted("1.0", "1.1"), "1.1", "beta", 100, NOW)
    one = channels.yank(one, "1.1", "bad", NOW)
    assert stable(one)[0] == "1.0"
    assert channels.pointer(one, "beta").version is None
    assert [f.target.yanked for f in one.of("1.1")] == ["bad", "bad"]
    assert channels.yank(one, "1.1", "worse", NOW) is one
    with pytest.raises(ChannelError, match="was yanked"):
        channels.promote(one, "1.1", "stable", 100, NOW)


def test_a_yank_of_a_rollout_ends_it_and_one_of_the_base_leaves_it() -> None:
    one = channels.promote(promoted("1.0", "1.1"), "1.2", "stable", 10, NOW)
    assert stable(channels.yank(one, "1.2", "bad", NOW)) == ("1.1", None, None)
    assert stable(channels.yank(one, "1.1", "bad", NOW)) == ("1.0", "1.2", 10)


def test_a_file_that_comes_later_joins_its_version() -> None:
    one = promoted("1.0")
    extra = replace(listed("1.0"), path=f"{AGENT}-v1.0.tar.zst")
    one = channels.publish(one, [extra])
    assert one.files[extra.path].target.channels == {"stable": Rollout(100, START)}
    yanked = channels.yank(one, "1.0", "bad", NOW)
    late = replace(listed("1.0"), path=f"{AGENT}-v1.0.sbom.json")
    assert channels.publish(yanked, [late]).files[late.path].target.yanked == "bad"


def test_what_is_needed_is_never_spare() -> None:
    one = catalog("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6")
    for version in ("1.1", "1.2"):
        one = channels.promote(one, version, "stable", 100, NOW)
    one = channels.promote(one, "1.4", "stable", 10, NOW)
    # 1.1 is what a rollback brings back, 1.2 the base, 1.4 the rollout, 1.6 the newest.
    assert channels.spare(one, 1) == ("1.0", "1.3", "1.5")
    assert channels.spare(one, 0) == ("1.0", "1.3", "1.5", "1.6")
    after = channels.prune(one, channels.spare(one, 1))
    assert after.versions == ("1.1", "1.2", "1.4", "1.6")
    assert f"{AGENT}-v1.0-linux-x64.tar.gz" in after.pruned
    back = channels.publish(after, catalog("1.0").files.values())
    assert not any("v1.0" in path for path in back.pruned)


def test_only_so_many_moves_are_kept_and_each_channel_has_its_own() -> None:
    one = promoted("1.0")
    for count in range(100):
        one = channels.promote(one, VERSIONS[count % 4], "beta", 100, NOW)
    assert len([move for move in one.moves if move.channel == "beta"]) == KEPT_MOVES
    assert [move.version for move in one.moves if move.channel == "stable"] == ["1.0"]


def test_a_catalog_comes_back_as_it_was_written() -> None:
    one = channels.promote(promoted("1.0", "1.1"), "1.2", "stable", 10, NOW)
    one = channels.prune(channels.yank(one, "1.0", "bad", NOW), ["1.10"])
    payload = catalogs.write(one, Targets())
    assert catalogs.read(AGENT, Targets.from_dict(payload.to_dict())) == one


MOVES = st.one_of(
    st.tuples(st.just("promote"), st.sampled_from(VERSIONS), st.sampled_from([1, 50, 100])),
    st.tuples(st.just("rollback")),
    st.tuples(st.just("yank"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("prune"), st.integers(0, 3)),
)


@given(st.lists(MOVES, max_size=25))
def test_whatever_is_done_a_channel_points_at_good_versions_that_are_there(
    moves: list[tuple[str, ...]],
) -> None:
    one = catalog()
    for move in moves:
        try:
            one = apply(one, *move)
        except ToolkitError:
            continue
        at = channels.pointer(one, "stable")
        for version in (at.version, at.staged):
            if version is not None:
                assert version in one.versions
                assert one.yanked(version) is None
        assert at.version is None or at.version != at.staged
        pointed = [
            (file.target.version, rollout.percent == 100)
            for file in one.files.values()
            for rollout in file.target.channels.values()
        ]
        # Whole versions: one base and one rollout at most, each with both platforms.
        assert all(pointed.count(each) == 2 for each in pointed)
        assert len(set(pointed)) <= 2


def apply(one: Catalog, action: str, *words: object) -> Catalog:
    match action:
        case "promote":
            version, percent = words
            assert isinstance(percent, int)
            return channels.promote(one, str(version), "stable", percent, NOW)
        case "rollback":
            return channels.rollback(one, "stable", NOW)
        case "yank":
            return channels.yank(one, str(words[0]), "bad", NOW)
    assert isinstance(words[0], int)
    return channels.prune(one, channels.spare(one, words[0]))


def test_a_rollback_from_a_version_can_be_run_again() -> None:
    one = promoted("1.0", "1.1", "1.2")
    once = channels.rollback(one, "stable", NOW, "1.2")
    assert stable(once)[0] == "1.1"
    assert channels.rollback(once, "stable", LATER, "1.2") == once
    staged = channels.promote(once, "1.2", "stable", 10, NOW)
    assert channels.rollback(staged, "stable", NOW, "1.1") == staged
    assert stable(channels.rollback(staged, "stable", NOW, "1.2")) == ("1.1", None, None)
    with pytest.raises(NotFoundError, match="there is no beacon 9"):
        channels.rollback(one, "stable", NOW, "9")


def test_a_yank_may_be_taken_back_and_moves_no_channel() -> None:
    yanked = channels.yank(promoted("1.0", "1.1"), "1.1", "by mistake", NOW)
    assert stable(yanked)[0] == "1.0"
    one = channels.unyank(yanked, "1.1", LATER)
    assert one.yanked("1.1") is None
    assert stable(one)[0] == "1.0"
    assert one.moves[-1].action == "unyank"
    assert channels.unyank(one, "1.1", LATER) == one
    assert stable(channels.promote(one, "1.1", "stable", 100, LATER))[0] == "1.1"
    with pytest.raises(NotFoundError):
        channels.unyank(one, "9", NOW)


def test_the_versions_that_hosts_of_a_channel_may_have() -> None:
    one = promoted("1.1", "1.0", "1.2")
    one = channels.promote(one, "1.10", "beta", 100, NOW)
    one = channels.promote(one, "1.10", "stable", 10, NOW)
    assert channels.recent(one, "stable") == ("1.10", "1.2", "1.0", "1.1")
    assert channels.recent(channels.prune(one, ["1.0"]), "stable") == ("1.10", "1.2", "1.1")
    with pytest.raises(NotFoundError, match="no channel 'none'"):
        channels.recent(one, "none")
