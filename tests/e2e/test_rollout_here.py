"""Rollouts over hosts that are folders of this machine, with real agents in them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_agent import build_local
from tests.support.local_fleet import LocalFleet
from tests.support.releases import Released

OLD, NEW, BAD = "1.0.0", "1.1.0", "1.2.0"


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    work = tmp_path_factory.mktemp("local")
    return {
        OLD: build_local(work, OLD),
        NEW: build_local(work, NEW),
        BAD: build_local(work, BAD, broken=True),
    }


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[LocalFleet]:
    fleet = LocalFleet(tmp_path, 5)
    yield fleet
    fleet.end()


@pytest.fixture
def installed(fleet: LocalFleet, releases: dict[str, Released]) -> LocalFleet:
    fleet.offer(releases[OLD])
    fleet.run("install")
    return fleet


def whats(told: Any) -> dict[str, str]:
    return {row["host"]: row["what"] for row in told["hosts"]}


def test_install_upgrade_and_rollback(fleet: LocalFleet, releases: dict[str, Released]) -> None:
    fleet.offer(releases[OLD])
    plan = fleet.run("install", "--plan")
    assert plan["waves"] == [["h0"], ["h1", "h2"], ["h3", "h4"]]
    assert {row["then"] for row in plan["hosts"]} == {OLD}
    assert fleet.versions() == [None] * 5
    told = fleet.run("install")
    assert (told["outcome"], set(whats(told).values())) == ("finished", {"holds"})
    assert fleet.versions() == [OLD] * 5
    again = fleet.run("install")
    assert set(whats(again).values()) == {"had it"}
    fleet.offer(releases[NEW])
    fleet.run("upgrade", "--max-failed", "2")
    assert fleet.versions() == [NEW] * 5
    assert fleet.events("h3") == [("installed", OLD), ("upgraded", NEW)]
    back = fleet.run("rollback", "--canary", "2", "--max-failed", "40%")
    assert fleet.versions() == [OLD] * 5
    # Without a version, a second call on a host would go forward again.
    fleet.run("resume", back["id"])
    assert fleet.versions() == [OLD] * 5
    assert [each["outcome"] for each in fleet.run("rollouts")] == ["finished"] * 4


def test_through_ansible(fleet: LocalFleet, releases: dict[str, Released]) -> None:
    through = ("--through", "ansible")
    fleet.offer(releases[OLD])
    plan = fleet.run("install", "--plan", *through)
    assert {row["then"] for row in plan["hosts"]} == {OLD}
    told = fleet.run("install", *through)
    assert set(whats(told).values()) == {"holds"}
    fleet.offer(releases[NEW], down=["h4"])
    told = fleet.run("upgrade", "--max-failed", "3", *through)
    assert whats(told) == {**dict.fromkeys(fleet.names, "holds"), "h4": "lost"}
    assert told["hosts"][4]["kind"] == "unreachable"
    assert fleet.versions() == [*[NEW] * 4, OLD]
    fleet.offer(releases[BAD])
    told = fleet.run("upgrade", "--max-failed", "2", *through, code=16)
    assert (told["why"], told["hosts"][0]["kind"]) == ("it failed on a canary", "reverted")
    fleet.offer(releases[NEW])
    fleet.run("rollback", "--limit", "h0,h1", "--max-failed", "1", *through)
    assert fleet.versions() == [OLD, OLD, NEW, NEW, OLD]


def test_a_bad_version_ends_at_the_canary(
    installed: LocalFleet, releases: dict[str, Released]
) -> None:
    installed.offer(releases[BAD])
    told = installed.run("upgrade", "--max-failed", "40%", code=16)
    assert told["why"] == "it failed on a canary"
    assert list(whats(told).values()) == ["lost"] + ["waiting"] * 4
    assert (told["hosts"][0]["kind"], installed.versions()) == ("reverted", [OLD] * 5)
    installed.run("resume", told["id"], code=16)
    assert installed.events("h0").count(("reverted", BAD)) == 1
    assert installed.events("h1") == [("installed", OLD)]


def test_over_budget_the_others_go_back(
    installed: LocalFleet, releases: dict[str, Released]
) -> None:
    # Its store has nothing; a look does not see that.
    installed.offer(releases[NEW], h2={"agent_store": str(installed.folder)})
    told = installed.run("upgrade", "--max-failed", "0", "--revert", code=16)
    assert whats(told)["h2"] == "lost"
    assert [whats(told)[host] for host in ("h0", "h1")] == ["went back"] * 2
    assert [whats(told)[host] for host in ("h3", "h4")] == ["waiting"] * 2
    assert installed.versions() == [OLD] * 5
    assert installed.events("h1")[-1] == ("rolled back", OLD)


def test_unreachable_hosts_stop_it_before_anything_is_touched(
    installed: LocalFleet, releases: dict[str, Released]
) -> None:
    installed.offer(releases[NEW], down=["h1", "h4"])
    told = installed.run("upgrade", "--max-failed", "20%", code=16)
    assert told["why"] == "2 hosts of 5 are lost, and 1 may be"
    assert installed.versions() == [OLD] * 5
    assert {row["kind"] for row in told["hosts"]} == {None, "unreachable"}
    installed.offer(releases[NEW])
    installed.run("resume", told["id"])
    assert installed.versions() == [NEW] * 5


def begun(fleet: LocalFleet, host: str) -> subprocess.Popen[str]:
    """Start an upgrade with a long watch window, and give it when `host` is on trial."""
    running = subprocess.Popen(
        fleet.argv("upgrade", "--watch", "4", "--max-failed", "3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(fleet.folder)},
    )
    deadline = time.monotonic() + 60
    while not (fleet.home(host) / "trial" / "trial.json").exists():
        assert time.monotonic() < deadline
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.05)
    return running


def test_ctrl_c_waits_for_those_in_flight(
    installed: LocalFleet, releases: dict[str, Released]
) -> None:
    installed.offer(releases[NEW])
    running = begun(installed, "h0")
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == 130, said
    assert installed.versions() == [NEW, *[OLD] * 4]
    assert "1 in flight are waited for" in said
    (told,) = installed.run("rollouts")[1:]
    assert told["outcome"] == "stopped"
    installed.run("resume", told["id"])
    assert installed.versions() == [NEW] * 5
    assert installed.events("h0") == [("installed", OLD), ("upgraded", NEW)]


@pytest.mark.parametrize("host", ["h0", "h1"])
def test_a_killed_operator_and_a_resumption(
    host: str, installed: LocalFleet, releases: dict[str, Released]
) -> None:
    installed.offer(releases[NEW])
    running = begun(installed, host)
    running.kill()
    running.communicate(timeout=60)
    (told,) = installed.run("rollouts")[1:]
    assert told["outcome"] == "cut off"
    assert whats(told)[host] == "in flight"
    told = installed.run("resume", told["id"])
    assert told["attempts"] == 2
    assert installed.versions() == [NEW] * 5
    for name in installed.names:
        assert installed.events(name) == [("installed", OLD), ("upgraded", NEW)]


def test_two_rollouts_do_not_share_a_host(
    installed: LocalFleet, releases: dict[str, Released]
) -> None:
    installed.offer(releases[NEW])
    running = begun(installed, "h0")
    try:
        installed.run("upgrade", code=17)
        assert "is under way on hosts of this rollout" in installed.said
        (told,) = installed.run("rollouts")[1:]
        assert told["outcome"] == "running"
        installed.run("resume", told["id"], code=17)
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
    assert json.loads((installed.home("h0") / "state.json").read_text())["version"] == NEW
