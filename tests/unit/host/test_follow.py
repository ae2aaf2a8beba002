"""Hosts that look after their version themselves: when they look, what they take and leave."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.installed import put_service
from tests.support.tried import Fake
from toolkit.host import cli, follow
from toolkit.host.clock import parse_time
from toolkit.host.errors import DownloadFailed, Pinned, PutAside, UsageError
from toolkit.host.fetch import Source
from toolkit.host.follow import Follow, check, noted, parse_follow
from toolkit.host.history import read_history
from toolkit.host.holds import held, pause_end, refuse_pinned
from toolkit.host.layout import MARKER, Layout
from toolkit.host.locate import Located
from toolkit.host.postpone import postponed
from toolkit.host.schedule import calendar, is_open, parse_every, parse_span, parse_window, spoken
from toolkit.host.state import State, read_state, write_state
from toolkit.host.unattended import needless, remember

# A Wednesday.
NOW = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("15m", 900), ("15min", 900), ("2h", 7200), ("1d", 86_400)]
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert parse_span(text) == seconds
    assert parse_span(spoken(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "-5m", "7m", "5h", "0m", "2d"])
def test_what_no_calendar_can_say_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_every(text)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("15m", "*-*-* *:00/15:00"),
        ("60m", "*-*-* 00/1:00:00"),
        ("6h", "*-*-* 00/6:00:00"),
        ("24h", "*-*-* 00:00:00"),
    ],
)
def test_calendars(text: str, event: str) -> None:
    assert calendar(parse_every(text)) == event


@pytest.mark.parametrize(
    ("text", "moments", "closed"),
    [
        ("22:00-04:00", ["18 22:00", "18 23:59", "19 03:59"], ["18 04:00", "18 21:59"]),
        ("Mon..Fri 22:00-04:00", ["20 22:00", "21 03:59"], ["16 03:59", "21 22:00", "22 03:00"]),
        ("Sat,Sun 00:00-24:00", ["21 00:00", "22 23:59"], ["20 23:59", "23 00:00"]),
        ("Fri..Mon 10:00-11:00", ["20 10:00", "23 10:59"], ["24 10:30", "19 10:30"]),
        ("sun 23:00-01:00", ["22 23:00", "23 00:59"], ["22 00:30", "23 01:00"]),
    ],
)
def test_windows_go_past_midnight(text: str, moments: list[str], closed: list[str]) -> None:
    window = parse_window(text)
    for moment, expected in [*((m, True) for m in moments), *((m, False) for m in closed)]:
        day, _, time = moment.partition(" ")
        at = datetime.fromisoformat(f"2026-11-{day}T{time}").replace(tzinfo=UTC)
        assert window.holds(at) is expected, moment


@pytest.mark.parametrize(
    "text", ["", "22-4", "22:00", "25:00-26:00", "10:60-11:00", "Mo 10:00-11:00", "10:00-10:00"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_window(text)


def test_any_of_the_windows_will_do() -> None:
    assert is_open([], NOW)
    assert is_open(["10:00-11:00", "Wed 23:00-24:00"], NOW)
    assert not is_open(["10:00-11:00", "Thu 23:00-24:00"], NOW)


def test_a_window_between_two_looks_is_refused() -> None:
    check(Follow("stable", 900, 900, ("22:00-22:30",)))
    with pytest.raises(UsageError, match="may pass between"):
        check(Follow("stable", 900, 900, ("22:00-22:29",)))
    with pytest.raises(UsageError, match="longer than"):
        check(Follow("stable", 900, 901))


def test_settings_are_read_again_as_they_were_noted() -> None:
    given = Follow("stable", 900, 600, ("Mon..Fri 22:00-04:00",), 5_000_000)
    again = json.loads(json.dumps({**noted(given), "newer": 1}))
    assert parse_follow(again) == given
    assert given.spoken() == (
        "stable, every 15 min, at a moment of its own within 10 min, "
        "only Mon..Fri 22:00-04:00, at most 5 MB/s"
    )
    assert parse_follow(None) is None


def test_the_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, fixed in ((246, False), (247, True)):
        monkeypatch.setattr(follow, "_version", lambda version=version: version)
        unit, timer = follow.texts(Layout(tmp_path), "tiny", Follow("stable", 900, 600)).values()
        assert "OnCalendar=*-*-* *:00/15:00\nRandomizedDelaySec=600\n" in timer
        assert ("FixedRandomDelay=true" in timer) is fixed
        assert f"ExecStart={tmp_path}/agentctl upgrade --unattended\n" in unit


def test_a_unit_of_somebody_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "UNIT_FOLDER", tmp_path)
    assert not follow.standing("tiny")
    timer = tmp_path / "tiny-follow.timer"
    timer.write_text("# mine\n", "utf-8")
    assert not follow.standing("tiny")
    timer.write_text("# Written by agentctl follow.\n", "utf-8")
    assert follow.standing("tiny")


def state_of(layout: Layout) -> State:
    state = read_state(layout)
    assert state is not None
    return state


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = put_service(tmp_path / "tiny", version="1.1.0")
    layout.release("1.1.0").mkdir(parents=True)
    layout.current.symlink_to(layout.release("1.1.0"))
    return layout


def agentctl(layout: Layout, *words: str) -> int:
    return cli.main([*words, "--home", str(layout.home)])


def test_a_pin_stands_in_state_and_history(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agentctl(layout, "pin") == 0
    assert state_of(layout).pinned == "1.1.0"
    assert held(state_of(layout), NOW) == "tiny is pinned to 1.1.0"
    refuse_pinned(layout, "1.1.0")
    with pytest.raises(Pinned) as caught:
        refuse_pinned(layout, "1.2.0")
    assert caught.value.exit_code == 33
    assert "unpin" in caught.value.hint
    layout.release("1.0.0").mkdir()
    (layout.release("1.0.0") / MARKER).write_text("0" * 64, "ascii")
    assert agentctl(layout, "rollback", "--to", "1.0.0") == 33
    agentctl(layout, "status")
    assert "pinned        to 1.1.0" in capsys.readouterr().out
    assert agentctl(layout, "unpin") == 0
    assert agentctl(layout, "unpin") == 0
    assert held(state_of(layout), NOW) is None
    assert [event.what for event in read_history(layout)] == ["pinned", "unpinned"]


def test_a_wish_is_no_attempt(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    agentctl(layout, "pin", "1.2.0")
    capsys.readouterr()
    agentctl(layout, "status", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["last_attempt"]["what"] == "running"
    assert found["pinned"] == "1.2.0"


def test_a_pause_ends_by_itself_or_by_a_word(layout: Layout) -> None:
    assert agentctl(layout, "pause") == 0
    assert held(state_of(layout), NOW + timedelta(days=9999)) == "tiny is paused"
    assert agentctl(layout, "resume") == 0
    assert held(state_of(layout), NOW) is None
    now = datetime.now(UTC)
    assert agentctl(layout, "pause", "--for", "2h") == 0
    assert "paused until" in (held(state_of(layout), now + timedelta(minutes=119)) or "")
    assert held(state_of(layout), now + timedelta(minutes=121)) is None
    assert [event.what for event in read_history(layout)] == ["paused", "resumed", "paused"]


def test_when_a_pause_ends() -> None:
    assert pause_end("2026-11-19T06:00:00Z", None, NOW) == NOW + timedelta(hours=6, minutes=30)
    assert pause_end(None, None, NOW) is None
    for text in ("2026-11-18T06:00:00Z", "tomorrow"):
        with pytest.raises(UsageError):
            pause_end(text, None, NOW)


def test_outside_its_windows_a_host_does_nothing(layout: Layout) -> None:
    following = noted(Follow("stable", 900, 900, ("02:00-04:00",)))
    state = replace(state_of(layout), follow=following)
    assert "runs under direct now" in (held(state, NOW) or "")
    state = replace(state, manager="systemd")
    assert "outside the maintenance windows" in (held(state, NOW) or "")
    assert held(state, NOW + timedelta(hours=3)) is None


def test_a_store_that_wants_to_be_left_alone_is(layout: Layout) -> None:
    following = noted(Follow("stable", 900, 900))
    write_state(layout, replace(state_of(layout), follow=following, manager="systemd"))
    remember(layout, DownloadFailed("busy"), NOW)
    assert held(state_of(layout), NOW) is None
    remember(layout, DownloadFailed("busy", retry_after=3600), NOW)
    assert "left alone" in (held(state_of(layout), NOW + timedelta(minutes=59)) or "")
    assert held(state_of(layout), NOW + timedelta(minutes=61)) is None


def located(version: str, *, taken_out: bool = False) -> Located:
    source = Source("https://store.example/x", version.replace(".", "") * 10)
    return Located(version, "linux-x64", source, (), taken_out)


def test_what_a_timer_tries_and_what_it_leaves(layout: Layout, manager: Fake) -> None:
    state = state_of(layout)
    assert needless(layout, state, located("1.2.0"), NOW) is None
    assert "no other version" in (needless(layout, state, located("1.1.0"), NOW) or "")
    assert "was not taken back" in (needless(layout, state, located("1.0.0"), NOW) or "")
    assert needless(layout, state, located("1.0.0", taken_out=True), NOW) is None
    fault = {"version": "1.2.0", "reason": "it hung", "at": "then"}
    state = replace(state, failed={located("1.2.0").source.sha256: fault})
    assert "failed on this host before" in (needless(layout, state, located("1.2.0"), NOW) or "")
    assert needless(layout, state, located("1.3.0"), NOW) is None
    manager.aside = "stopped"
    with pytest.raises(PutAside, match=r"is stopped, and so 1\.3\.0 was not tried"):
        needless(layout, state, located("1.3.0"), NOW)
    assert "no other version" in (needless(layout, state, located("1.1.0"), NOW) or "")


def test_a_version_that_was_taken_back_by_no_fault_of_its_own_waits_for_longer_each_time(
    layout: Layout, manager: Fake
) -> None:
    sha256, waits, noted = located("1.2.0").source.sha256, [], None
    for _ in range(9):
        noted = postponed(noted, sha256, "1.2.0", "the host was started anew", NOW.isoformat())
        waits.append((parse_time(noted["until"]) - NOW) / timedelta(minutes=1))
    assert waits == [30, 60, 120, 240, 480, 960, 1440, 1440, 1440]
    state = replace(state_of(layout), postponed=noted)
    said = needless(layout, state, located("1.2.0"), NOW + timedelta(hours=23)) or ""
    assert "was tried 9 times and taken back by no fault of its own" in said
    assert "the host was started anew" in said
    assert needless(layout, state, located("1.2.0"), NOW + timedelta(hours=24)) is None
    assert needless(layout, state, located("1.3.0"), NOW) is None
    assert needless(layout, state, located("1.2.0"), NOW - timedelta(days=2)) is None
    assert postponed(noted, "other", "1.3.0", "", NOW.isoformat())["times"] == 1


def test_a_first_installation_that_was_cut_off_is_gone_on_with(layout: Layout) -> None:
    state = replace(state_of(layout), outcome="installing")
    assert needless(layout, state, located("1.1.0"), NOW) is None


def test_only_signed_metadata_is_followed(
    layout: Layout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert agentctl(layout, "follow", "stable") == 10
    assert "runs under direct" in capsys.readouterr().err
    monkeypatch.setattr("toolkit.host.cli_follow.require", lambda *_: None)
    assert agentctl(layout, "follow", "stable") == 2
    assert "pinned hashes" in capsys.readouterr().err
    assert agentctl(layout, "upgrade", "--unattended") == 2
    assert agentctl(layout, "upgrade", "--unattended", "--to", "1.2.0") == 2
    assert state_of(layout).follow is None
