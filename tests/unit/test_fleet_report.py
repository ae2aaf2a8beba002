"""The page about a fleet: failures first, nothing from outside, nobody's text as markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from toolkit.contract import Check, Verdict
from toolkit.errors import HostError
from toolkit.facts import DriftFact, HostFacts, PathFact, SystemFact, TextFact
from toolkit.fleet.report import exposure_class, page, render
from toolkit.fleet.verifying import Seen, Wanted
from toolkit.hosts import Host

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
WANTED = Wanted(("1.1.0", "1.2.0"), "channel stable")


def seen(
    name: str, version: str = "1.1.0", *checks: Check, drift: int = 0, exposure: float = 1.3
) -> Seen:
    facts = HostFacts(
        login="root",
        now=0,
        version=version,
        manager="systemd",
        user="tiny",
        paths={".": PathFact("folder")},
        state=TextFact(None),
        drift=DriftFact(4, ("agent.py",) * bool(drift), count=drift),
        system=SystemFact("Debian 12", "6.1", exposure, "OK"),
    )
    done = checks or (Check("health", True, "HTTP 200", ""),)
    return Seen(Host(name, name), Verdict(name, "tiny", version, done), facts, WANTED)


def away(name: str) -> Seen:
    error = HostError(f"{name} could not be looked at", why="down", hint="look at its cable")
    return Seen(Host(name, name), Verdict(name, "tiny", error=error), wanted=WANTED)


BROKEN = Check("health", False, "connection refused", "http://127.0.0.1/ answers")


def test_failures_come_first_then_who_was_away() -> None:
    made = page([seen("a"), away("b"), seen("c", "1.0.0", BROKEN)], "Fleet", AT)
    assert [one.host.name for one in made.hosts] == ["c", "b", "a"]
    text = render(made)
    assert text.index("What needs mending") < text.index("What could not") < text.index("All hosts")
    assert "1 of 3 hosts are as they should be. 1 host needs mending. 1 host could" in text
    assert "look at its cable" in text


def test_all_well_says_so() -> None:
    text = render(page([seen("a"), seen("b")], "Fleet", AT))
    assert "All is as it should be on 2 hosts" in text
    assert "What needs mending" not in text


def test_versions_are_counted_and_held_against_the_channel() -> None:
    made = page([seen("a"), seen("b"), seen("c", "1.0.0"), away("d")], "Fleet", AT)
    assert [(share.name, share.hosts, share.right) for share in made.versions] == [
        ("1.1.0", 2, True),
        ("1.0.0", 1, False),
    ]
    assert [one.host.name for one in made.drifted] == ["c"]
    assert "1.1.0 or 1.2.0 (channel stable)" in render(made)


def test_the_page_loads_nothing() -> None:
    text = render(page([seen("a", "1.0.0", BROKEN)], "Fleet", AT))
    assert not re.search(r"<(script|link|img|iframe|object|base)\b|url\(|@import|\bsrc=", text)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_what_hosts_say_is_text() -> None:
    evil = Check("<b>name</b>", False, "<script>alert(1)</script>", '"><img src=x>')
    text = render(page([seen("a", "1.0.0", evil)], "<i>", AT))
    assert "<script>" not in text
    assert "<img" not in text
    assert "&lt;i&gt;" in text


def test_exposure_is_good_fair_or_bad() -> None:
    assert [exposure_class(score) for score in (None, 1.3, 5.0, 9.6)] == [
        "none",
        "good",
        "fair",
        "bad",
    ]
    made = page([seen("a", exposure=9.0), seen("b", exposure=1.0), seen("c")], "Fleet", AT)
    assert made.exposure == 1.3
    assert [one.host.name for one in made.worst] == ["a"]


def test_changed_files_are_counted() -> None:
    made = page([seen("a", drift=2), seen("b")], "Fleet", AT)
    assert [one.host.name for one in made.changed] == ["a"]
