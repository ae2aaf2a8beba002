"""Operators, and what happens to them, in the middle of upgrades: nothing is blamed for it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.driven import Driven
from tests.support.hosts import Host
from tests.support.releases import Released, tiny

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
OLD, NEW = "1.0.0", "1.1.0"
AGENTCTL = "/opt/tiny/agentctl"
# Told to end, it does so with an error, as programs in Java do; or takes its time. systemd tells
# what is started meanwhile too, so that must not hear it.
FAILING = "trap 'exit 143' TERM; /usr/bin/python3 {current}/agent.py & wait"
SLOW = "trap \"trap '' TERM\" TERM; /usr/bin/python3 {current}/agent.py & wait; sleep 55"
LEFT = (
    "ls -d /opt/tiny/trial /opt/tiny/.trial.new /etc/systemd/system/*/*tiny-revert*"
    " /etc/systemd/system/*tiny-revert* /etc/systemd/system/*tiny-settle*"
    " /etc/systemd/system/*.was"
    " /etc/systemd/system/tiny.service.d/zz-trial.conf 2>/dev/null"
)
Make = Callable[..., Released]


@pytest.fixture
def driven(host: Host) -> Driven:
    return Driven.on(host, "tiny")


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return lambda version, **service: tiny(
        tmp_path_factory.mktemp("dist"), version=version, **service
    )


def sh(words: str) -> list[str]:
    return ["/bin/sh", "-c", words]


def must(driven: Driven, verb: list[str]) -> None:
    done = driven.run(verb)
    assert done.returncode == 0, done.stdout + done.stderr


def state(driven: Driven) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(driven.host.read("/opt/tiny/state.json"))
    return found


def version_on(driven: Driven) -> str:
    return driven.host.run(["readlink", "/opt/tiny/current"]).stdout.strip().rpartition("/")[2]


def stands(driven: Driven) -> str:
    ask = ["systemctl", "show", "--property=ActiveState", "--value", "tiny"]
    return driven.host.run(ask).stdout.strip()


def systemctl(driven: Driven, *words: str) -> None:
    driven.host.run(["systemctl", *words], user="root")


def until_watched(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    assert any("healthy for" in line for line in iter(running.stdout.readline, ""))


def wait_for(held: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not held():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def wait_for_end(driven: Driven) -> None:
    wait_for(lambda: driven.host.run(["sh", "-c", LEFT], check=False).stdout == "")


def told_in_mid_trial(driven: Driven, verb: list[str], word: str, *, watch: str) -> tuple[int, str]:
    """Upgrade, and have systemd stop or restart the service on trial; gives how that ended."""
    running = driven.start([*verb, "--watch", watch])
    until_watched(running)
    systemctl(driven, word, "tiny")
    said, _ = running.communicate(timeout=60)
    return running.returncode, said


def test_who_stops_it_in_mid_trial_has_it_stopped_and_nothing_condemned(
    driven: Driven, make: Make
) -> None:
    old, new = driven.offer(make(OLD)), driven.offer(make(NEW))
    must(driven, old)
    code, said = told_in_mid_trial(driven, new, "stop", watch="60")
    assert code == 31, said
    assert "somebody stopped it while it was on trial" in said
    assert f"{OLD} is back, and stays stopped" in said
    assert (state(driven)["failed"], version_on(driven), stands(driven)) == ({}, OLD, "inactive")
    wait_for_end(driven)
    systemctl(driven, "start", "tiny")
    wait_for(lambda: driven.run(["status", "--home", "/opt/tiny"]).returncode == 0)
    must(driven, new)
    assert state(driven)["version"] == NEW


def test_a_stop_that_ends_with_an_error_condemns_nothing_either(driven: Driven, make: Make) -> None:
    old, new = driven.offer(make(OLD)), driven.offer(make(NEW, exec=sh(FAILING)))
    must(driven, old)
    code, said = told_in_mid_trial(driven, new, "stop", watch="60")
    assert code == 31, said
    assert "somebody stopped or restarted it while it was on trial" in said
    assert (state(driven)["failed"], version_on(driven), stands(driven)) == ({}, OLD, "active")


def test_who_restarts_it_in_mid_trial_disturbs_nothing(driven: Driven, make: Make) -> None:
    old, new = driven.offer(make(OLD)), driven.offer(make(NEW))
    must(driven, old)
    code, said = told_in_mid_trial(driven, new, "restart", watch="4")
    assert code == 0, said
    assert state(driven)["version"] == NEW


def test_it_stays_stopped_with_nobody_there_too(driven: Driven, make: Make) -> None:
    old, new = driven.offer(make(OLD)), driven.offer(make(NEW))
    must(driven, old)
    assert driven.killed("after:start", [*new, "--watch", "1"])
    systemctl(driven, "stop", "tiny")
    wait_for(lambda: version_on(driven) == OLD)
    wait_for_end(driven)
    assert (state(driven)["failed"], stands(driven)) == ({}, "inactive")
    assert "somebody stopped it" in state(driven)["reason"]


def test_a_version_that_ends_too_often_is_still_to_blame(driven: Driven, make: Make) -> None:
    old, new = driven.offer(make(OLD)), driven.offer(make(NEW, exec=sh("sleep 1; exit 3")))
    must(driven, old)
    done = driven.run(new)
    assert done.returncode == 31, done.stdout + done.stderr
    assert [fault["version"] for fault in state(driven)["failed"].values()] == [NEW]
    assert (version_on(driven), stands(driven)) == (OLD, "active")


def test_an_old_version_that_ends_slowly_is_waited_for(driven: Driven, make: Make) -> None:
    old, new = driven.offer(make(OLD, exec=sh(SLOW))), driven.offer(make(NEW))
    must(driven, old)
    done = driven.run([*new, "--watch", "1"], timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (state(driven)["version"], stands(driven)) == (NEW, "active")
    wait_for_end(driven)
    time.sleep(3)  # what still waits would end what was kept
    assert (version_on(driven), stands(driven)) == (NEW, "active")


def test_an_old_version_that_ends_slowly_comes_back_where_agentctl_is_dead(
    driven: Driven, make: Make
) -> None:
    old, new = driven.offer(make(OLD, exec=sh(SLOW))), driven.offer(make(NEW))
    must(driven, old)
    running = driven.start([*new, "--watch", "1"])
    assert running.stdout is not None
    assert any(line == "step: start\n" for line in iter(running.stdout.readline, ""))
    wait_for(lambda: stands(driven) == "deactivating")
    driven.host.run(["pkill", "-KILL", "-f", "drive.py"], user="root")
    wait_for(lambda: version_on(driven) == OLD and stands(driven) == "active", 150)
    wait_for_end(driven)
    assert state(driven)["failed"] == {}


@pytest.mark.parametrize("terminal", ["-tt", "-T"])
def test_a_connection_that_is_lost_in_mid_trial(
    terminal: str, driven: Driven, make: Make, host: Host, tmp_path: Path
) -> None:
    old, new = driven.offer(make(OLD)), driven.offer(make(NEW))
    must(driven, old)
    words = " ".join(["sudo", "python3", "/srv/driven/agentctl", *new, "--watch", "6"])
    argv = host.ssh_argv(words)
    argv.insert(1, terminal)
    log = tmp_path / "said"
    with log.open("w") as file:
        session = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file, stderr=file)
    wait_for(lambda: "healthy for" in log.read_text("utf-8"))
    session.kill()
    session.communicate()
    wait_for_end(driven)
    events = [json.loads(line) for line in host.read("/opt/tiny/history.jsonl").splitlines()]
    assert [event["what"] for event in events][1:] in (["upgraded"], ["reverted"]), events
    kept = events[-1]["what"] == "upgraded"
    assert (version_on(driven), stands(driven)) == (NEW if kept else OLD, "active")
    assert (state(driven)["version"], state(driven)["failed"]) == (version_on(driven), {})
    must(driven, ["status", "--home", "/opt/tiny"])


def test_under_direct_systemd_has_a_trial_ended_that_nobody_watches(host: Host, make: Make) -> None:
    driven = Driven.on(host, "tiny", "direct")
    old, new = driven.offer(make(OLD)), driven.offer(make(NEW))
    must(driven, old)
    assert driven.killed("after:start", [*new, "--watch", "1"])
    assert version_on(driven) == NEW
    wait_for(lambda: version_on(driven) == OLD)
    wait_for_end(driven)
    must(driven, ["status", "--home", "/opt/tiny"])
    assert "nobody confirmed it in time" in state(driven)["reason"]
    assert state(driven)["failed"] == {}
    must(driven, new)
    assert state(driven)["version"] == NEW
    wait_for_end(driven)
