"""Rollouts over hosts with a real systemd and sshd: what goes wrong goes wrong there."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import BootHost, Host
from tests.support.releases import Released
from tests.support.serve import StoreServer
from tests.support.signed_fleet import (
    BAD,
    FADING,
    NEW,
    OLD,
    SignedFleet,
    build_tiny,
    on_trial,
    wait_for,
)

pytestmark = [pytest.mark.hosts, pytest.mark.one_suite]
COUNT = 6
UPGRADED = [("installed", OLD), ("upgraded", NEW)]


@pytest.fixture(scope="session")
def tinies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    return build_tiny(tmp_path_factory.mktemp("tinies"))


@pytest.fixture
def fleet(
    boot_host: BootHost, store: StoreServer, tinies: dict[str, Released], tmp_path: Path
) -> SignedFleet:
    """Six hosts that have the old version; the new one is in the channel."""
    fleet = SignedFleet(tmp_path, [boot_host() for _ in range(COUNT)], store, tinies)
    told = fleet.run("install")
    assert whats(told) == {"holds": COUNT}
    assert fleet.versions() == [OLD] * COUNT
    fleet.promote(NEW)
    return fleet


def whats(told: Any) -> dict[str, int]:
    return dict(Counter(row["what"] for row in told["hosts"]))


def kinds(told: Any) -> dict[str, str]:
    return {row["host"]: row["kind"] for row in told["hosts"] if row["kind"]}


def upgrading(fleet: SignedFleet, host: str, *words: str) -> subprocess.Popen[str]:
    """Start an upgrade, and give it when the version is on trial on `host`."""
    running = fleet.spawn("upgrade", "--watch", "8", "--max-failed", "3", *words)
    wait_for(lambda: on_trial(fleet.hosts[host]) or running.poll() is not None)
    assert running.poll() is None, running.communicate()[0]
    return running


def test_waves_a_bad_version_and_the_way_back(fleet: SignedFleet) -> None:
    plan = fleet.run("upgrade", "--plan")
    assert plan["waves"] == [["h00"], ["h01", "h02"], ["h03", "h04", "h05"]]
    assert {(row["now"], row["then"]) for row in plan["hosts"]} == {(OLD, NEW)}
    assert fleet.versions() == [OLD] * COUNT

    fleet.write(down=["h02"])
    told = fleet.run("upgrade", "--max-failed", "0", code=16)
    assert (told["why"], kinds(told)) == (
        "1 host of 6 are lost, and 0 may be",
        {"h02": "unreachable"},
    )
    assert fleet.versions() == [OLD] * COUNT
    told = fleet.run("upgrade", "--max-failed", "1")
    assert whats(told) == {"holds": 5, "lost": 1}
    fleet.write()
    told = fleet.run("resume", told["id"])
    assert whats(told) == {"holds": COUNT}
    assert fleet.history() == [UPGRADED] * COUNT

    fleet.promote(BAD)
    told = fleet.run("upgrade", "--max-failed", "50%", "--revert", code=16)
    assert told["why"] == "it failed on a canary"
    assert kinds(told) == {"h00": "reverted"}
    assert fleet.versions() == [NEW] * COUNT
    assert [len(each) for each in fleet.history()] == [3, 2, 2, 2, 2, 2]
    # The canary would not try it again; a resumption finds that out and runs it nowhere.
    fleet.run("resume", told["id"], code=16)
    assert [len(each) for each in fleet.history()] == [3, 2, 2, 2, 2, 2]

    fleet.run("rollback", "--max-failed", "50%", "--canary", "0")
    assert fleet.versions() == [OLD] * COUNT


def test_over_budget_those_that_hold_it_go_back(fleet: SignedFleet) -> None:
    full = fleet.hosts["h03"]
    full.run(
        [
            "sh",
            "-c",
            "chattr +i /opt/tiny/releases || mount -t tmpfs -o ro none /opt/tiny/releases",
        ],
        user="root",
    )
    told = fleet.run("upgrade", "--max-failed", "0", "--revert", code=16)
    assert list(kinds(told)) == ["h03"]
    assert whats(told) == {"went back": 3, "lost": 1, "waiting": 2}
    assert [each[-1] for each in fleet.history()[:3]] == [("rolled back", OLD)] * 3


@pytest.mark.parametrize("host", ["h00", "h02"])
def test_the_operator_s_machine_dies(host: str, fleet: SignedFleet) -> None:
    running = upgrading(fleet, host)
    running.kill()
    running.communicate()
    (told,) = fleet.run("rollouts")[1:]
    assert told["outcome"] == "cut off"
    told = fleet.run("resume", told["id"])
    assert whats(told) == {"holds": COUNT}
    assert fleet.history() == [UPGRADED] * COUNT


def test_ctrl_c(fleet: SignedFleet) -> None:
    running = upgrading(fleet, "h00")
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=120)[0]
    assert running.returncode == 130, said
    assert fleet.versions() == [NEW, *[OLD] * (COUNT - 1)]
    (told,) = fleet.run("rollouts")[1:]
    running = fleet.spawn("resume", told["id"])
    wait_for(lambda: on_trial(fleet.hosts["h01"]))
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 130
    told = fleet.run("resume", told["id"])
    assert whats(told) == {"holds": COUNT}
    assert fleet.history() == [UPGRADED] * COUNT


def kill_sshd(host: Host) -> None:
    """End sshd and every session of it; the one who listens does not come back by itself."""
    host.run(["systemctl", "mask", "--runtime", "--now", "ssh"], user="root")
    host.run(["sh", "-c", "kill -9 $(pgrep -x sshd) $(pgrep -x sshd-session) || true"], user="root")


def revive_sshd(host: Host) -> None:
    host.run(["systemctl", "unmask", "--runtime", "ssh"], user="root")
    host.run(["systemctl", "start", "ssh"], user="root")


def test_sshd_dies_in_mid_upgrade(fleet: SignedFleet) -> None:
    host = fleet.hosts["h00"]
    running = upgrading(fleet, "h00")
    kill_sshd(host)
    wait_for(lambda: not on_trial(host))
    revive_sshd(host)
    said = running.communicate(timeout=300)[0]
    assert running.returncode == 0, said
    assert fleet.history() == [UPGRADED] * COUNT


def test_sshd_dies_in_mid_upgrade_and_stays_dead(fleet: SignedFleet) -> None:
    host = fleet.hosts["h04"]
    running = upgrading(fleet, "h04")
    kill_sshd(host)
    said = running.communicate(timeout=400)[0]
    assert running.returncode == 0, said
    assert "1 host is lost" in said
    told = fleet.run("rollouts")[-1]
    assert (told["outcome"], kinds(told)) == ("finished", {"h04": "silent"})
    assert whats(told) == {"holds": COUNT - 1, "lost": 1}
    # Nobody could tell it anything, and it went through its trial all the same.
    assert fleet.history() == [UPGRADED] * COUNT
    revive_sshd(host)
    told = fleet.run("resume", told["id"])
    assert whats(told) == {"holds": COUNT}
    assert fleet.history() == [UPGRADED] * COUNT


def test_a_silent_host_takes_a_bad_version_back_by_itself(fleet: SignedFleet) -> None:
    host = fleet.hosts["h00"]
    fleet.promote(FADING)
    running = upgrading(fleet, "h00")
    kill_sshd(host)
    said = running.communicate(timeout=400)[0]
    assert running.returncode == 16, said
    told = fleet.run("rollouts")[-1]
    assert (told["why"], kinds(told)) == ("it failed on a canary", {"h00": "silent"})
    assert fleet.versions() == [OLD] * COUNT
    back = [("installed", OLD), ("reverted", FADING)]
    assert fleet.history() == [back, *[[("installed", OLD)]] * (COUNT - 1)]
    revive_sshd(host)
    told = fleet.run("resume", told["id"], code=16)
    assert kinds(told) == {"h00": "failed_before"}
    assert fleet.history()[0] == back


def test_a_host_that_is_busy_for_a_while_is_not_lost(fleet: SignedFleet) -> None:
    def tell(word: str) -> None:
        for name in ("h01", "h05"):
            ask = ["systemctl", "kill", f"--signal={word}", "ssh"]
            fleet.hosts[name].run(ask, user="root")

    tell("STOP")
    # Longer than a host may take to take a connection, which the kernel does by itself.
    awake = threading.Timer(15, tell, ["CONT"])
    awake.start()
    plan = fleet.run("upgrade", "--plan")
    awake.join()
    assert {row["standing"] for row in plan["hosts"]} == {"changes"}, plan


def test_a_wrong_host_key_is_refused(fleet: SignedFleet, tmp_path: Path) -> None:
    other = fleet.hosts["h02"].known_hosts.read_text("utf-8").split()
    lines = [host.known_hosts.read_text("utf-8") for host in fleet.hosts.values()]
    lines[1] = " ".join([lines[1].split()[0], *other[1:3]]) + "\n"
    known = tmp_path / "known_hosts"
    known.write_text("".join(lines), "utf-8")
    told = fleet.run("upgrade", "--max-failed", "1", "--known-hosts", str(known))
    assert kinds(told) == {"h01": "host_key"}
    assert fleet.history()[1] == [("installed", OLD)]
