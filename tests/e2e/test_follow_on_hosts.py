"""Hosts that follow a channel by themselves: what their timer takes, leaves, and survives."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.support.hosts import BootHost, Host
from tests.support.published import Project
from tests.support.releases import SCRIPT, install
from tests.support.serve import StoreServer
from toolkit.host.choice import bucket

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
AGENTCTL = "/opt/tiny/agentctl"
UNIT = "tiny-follow.service"
FILES = (
    "/etc/systemd/system/tiny-follow.timer",
    "/etc/systemd/system/tiny-follow.service",
    "/etc/systemd/system/timers.target.wants/tiny-follow.timer",
    "/var/lib/systemd/timers/stamp-tiny-follow.timer",
)
DRIVE = Path(__file__).parent.parent / "support" / "drive.py"
# A worse figure says that something of the sandbox was lost.
EXPOSURE = 4.2


@pytest.fixture
def project(store: StoreServer, tmp_path: Path) -> Project:
    """A store with tiny 1.0.0 in stable, and the script that installs it."""
    project = Project(tmp_path / "project", store)
    project.run("keys", "init", "--agent", "tiny")
    project.publish("1.0.0")
    project.run("promote", "tiny", "1.0.0", "--channel", "stable")
    script = project.folder / "install.sh"
    project.run("render", "install-script", "tiny", "--channel", "stable", "-o", str(script))
    return project


def promote(project: Project, version: str, percent: int = 100) -> None:
    words = ["promote", "tiny", version, "--channel", "stable", "--percent", str(percent)]
    project.run(*words)


def set_up(project: Project, host: Host, *words: str) -> None:
    """Install what stable has, and follow it."""
    host.put(project.folder / "install.sh", SCRIPT, mode=0o755)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    agentctl(host, "follow", "stable", *(words or ("--every", "1d")))


def agentctl(host: Host, *words: str, code: int = 0) -> str:
    done = host.run([AGENTCTL, *words], user="root", check=False, timeout=240)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def look(host: Host, *, code: int = 0) -> str:
    """Do what the timer does; gives what was said."""
    since = host.run(["date", "+%s.%N"]).stdout.strip()
    host.run(["systemctl", "start", UNIT], user="root", check=False, timeout=240)
    show = ["systemctl", "show", "--property=ExecMainStatus", "--value", UNIT]
    said = host.run(
        ["journalctl", "--no-pager", "--output=cat", "-t", "tiny-follow", f"--since=@{since}"],
        user="root",
    ).stdout
    assert host.run(show).stdout.strip() == str(code), said
    return said


def state(host: Host) -> dict[str, object]:
    found: dict[str, object] = json.loads(host.read("/opt/tiny/state.json"))
    return found


def version_on(host: Host) -> str:
    return host.run(["readlink", "/opt/tiny/current"]).stdout.strip().rpartition("/")[2]


def process_of(host: Host) -> str:
    return host.run(["systemctl", "show", "--property=MainPID", "tiny.service"]).stdout


def left(host: Host) -> list[str]:
    """Give what of the timer is still on the host."""
    return [file for file in FILES if host.run(["ls", file], check=False).returncode == 0]


def test_a_host_goes_forth_and_back_with_its_channel(
    host: Host, store: StoreServer, project: Project
) -> None:
    set_up(project, host)
    for verb, words in {"is-enabled": "enabled", "is-active": "active"}.items():
        said = host.run(["systemctl", verb, "tiny-follow.timer"]).stdout
        assert said.strip() == words
    checked = host.run(["systemd-analyze", "verify", *FILES[:2]], user="root")
    assert "tiny-follow" not in checked.stderr
    said = host.run(["systemd-analyze", "security", UNIT], user="root").stdout
    found = re.search(r"exposure level for \S+ ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= EXPOSURE, said
    assert "follows       stable, every 1 d" in agentctl(host, "status")

    before = process_of(host)
    assert "no other version" in look(host)
    assert process_of(host) == before

    # The release's own commands run in the timer's sandbox, as the service's user.
    spec = project.folder / "release" / "tiny.toml"
    hook = ["/bin/sh", "-c", "id -un >/opt/tiny/workspace/hooked; touch /tmp/hooked"]
    spec.write_text(spec.read_text("utf-8") + f"\n[hooks]\nafter_commit = {json.dumps(hook)}\n")
    project.publish("1.1.0")
    look(host)
    assert version_on(host) == "1.0.0"  # published is not promoted
    promote(project, "1.1.0")
    look(host)
    assert version_on(host) == "1.1.0"
    assert agentctl(host, "status").startswith("tiny 1.1.0 under systemd: healthy")
    assert host.read("/opt/tiny/workspace/hooked").strip() == "operator"
    host.run(["ls", "/tmp/hooked"])

    project.run("rollback", "tiny", "--channel", "stable")
    look(host)
    assert version_on(host) == "1.0.0"

    project.publish("1.2.0")
    agentctl(host, "upgrade", "--to", "1.2.0")
    assert "was not taken back" in look(host)
    assert version_on(host) == "1.2.0"
    project.run("yank", "tiny", "1.2.0", "--reason", "it forgets things")
    look(host)
    assert version_on(host) == "1.0.0"

    agentctl(host, "unfollow")
    assert left(host) == []
    assert state(host)["follow"] is None
    assert "no change" in agentctl(host, "unfollow")
    history = agentctl(host, "history")
    assert "followed" in history
    assert "unfollowed" in history


def test_the_timer_looks_by_itself_and_goes_with_the_service(host: Host, project: Project) -> None:
    set_up(project, host, "--every", "1m", "--delay", "1s", "--max-rate", "5M")
    project.publish("1.1.0")
    promote(project, "1.1.0")
    deadline = time.monotonic() + 150
    while state(host)["version"] != "1.1.0":
        assert time.monotonic() < deadline, "the timer did not look"
        time.sleep(1)
    host.run(["systemctl", "start", UNIT], user="root", timeout=240)  # waits for the one that runs
    agentctl(host, "uninstall")
    assert left(host) == []
    assert host.run(["ls", "/opt/tiny"], check=False).returncode != 0
    assert host.system_state() == "running"


def test_what_is_half_made_is_finished_or_goes(host: Host, project: Project) -> None:
    host.put(project.folder / "install.sh", SCRIPT, mode=0o755)
    host.put(DRIVE, "/root/drive.py", owner="root")
    drive = ["python3", "/root/drive.py", AGENTCTL, "kill"]
    for step in ("wish", "follow-service", "follow-timer", "follow-enable"):
        assert install(host).returncode == 0
        done = host.run([*drive, f"after:{step}", "follow", "stable"], user="root", check=False)
        assert done.returncode == 137, done.stdout + done.stderr
        agentctl(host, "uninstall")
        assert left(host) == []
    assert install(host).returncode == 0
    host.run([*drive, "after:follow-timer", "follow", "stable"], user="root", check=False)
    agentctl(host, "follow", "stable", "--every", "1h")
    assert host.run(["systemctl", "is-active", "tiny-follow.timer"]).stdout.strip() == "active"
    done = host.run([*drive, "after:unfollow", "uninstall"], user="root", check=False)
    assert done.returncode == 137
    agentctl(host, "uninstall")
    assert left(host) == []


def test_pins_pauses_and_windows_hold_a_host(host: Host, project: Project) -> None:
    set_up(project, host)
    project.publish("1.1.0")
    promote(project, "1.1.0")

    agentctl(host, "pin")
    assert "pinned to 1.0.0" in look(host)
    assert "unpin" in agentctl(host, "upgrade", code=33)
    agentctl(host, "upgrade", "--to", "1.1.0", code=33)
    agentctl(host, "upgrade", "--check", code=33)
    agentctl(host, "upgrade", "--to", "1.0.0")
    assert "pinned" in agentctl(host, "status")
    agentctl(host, "unpin")

    agentctl(host, "pause", "--for", "1h")
    assert "paused until" in look(host)
    agentctl(host, "resume")

    hour = int(host.run(["date", "+%H"]).stdout)
    closed = f"{(hour + 4) % 24:02}:00-{(hour + 6) % 24:02}:00"
    agentctl(host, "follow", "stable", "--every", "30m", "--window", closed)
    assert "outside the maintenance windows" in look(host)
    assert version_on(host) == "1.0.0"
    opened = f"{(hour + 23) % 24:02}:00-{(hour + 4) % 24:02}:00"
    agentctl(host, "follow", "stable", "--every", "30m", "--window", closed, "--window", opened)
    look(host)
    assert version_on(host) == "1.1.0"

    agentctl(host, "pin", "1.1.0")
    agentctl(host, "rollback", code=33)
    lines = host.read("/opt/tiny/history.jsonl").splitlines()
    what = [json.loads(line)["what"] for line in lines]
    assert what[-1] == "pinned"
    assert {"unpinned", "paused", "resumed", "followed", "upgraded"} <= set(what)


def test_what_somebody_stopped_or_disabled_stays_so(host: Host, project: Project) -> None:
    set_up(project, host)
    project.publish("1.1.0")
    promote(project, "1.1.0")
    for words in (["stop", "tiny"], ["disable", "--now", "tiny"], ["disable", "tiny"]):
        host.run(["systemctl", *words], user="root")
        word = "stopped" if words[0] == "stop" else "disabled"
        assert f"tiny is {word}, and so 1.1.0 was not tried" in look(host)
        assert "1.1.0 was not tried, " in agentctl(host, "status", code=3)
        enabled, active = (
            host.run(["systemctl", ask, "tiny"], check=False).stdout.strip()
            for ask in ("is-enabled", "is-active")
        )
        assert (enabled, active) == ("disabled" if word == "disabled" else "enabled", "inactive")
        assert version_on(host) == "1.0.0"
        assert host.run(["ls", "/opt/tiny/releases"]).stdout.split() == ["1.0.0"]
    assert agentctl(host, "history").count("1.1.0 was not tried") == 2
    host.run(["systemctl", "enable", "--now", "tiny"], user="root")
    look(host)
    assert version_on(host) == "1.1.0"
    # A person who calls it wants it to run.
    host.run(["systemctl", "disable", "--now", "tiny"], user="root")
    project.publish("1.2.0")
    agentctl(host, "upgrade", "--to", "1.2.0")
    assert agentctl(host, "status").startswith("tiny 1.2.0 under systemd: healthy")


def test_a_bad_version_is_tried_once_and_a_bad_store_condemns_none(
    host: Host, store: StoreServer, project: Project
) -> None:
    set_up(project, host)
    good = (project.folder / "agent" / "agent.py").read_text("utf-8")
    (project.folder / "agent" / "agent.py").write_text("raise SystemExit(3)\n", "utf-8")
    project.publish("1.1.0")
    promote(project, "1.1.0")
    look(host, code=31)
    assert version_on(host) == "1.0.0"
    moment = state(host)["at"]
    assert "failed on this host before" in look(host)
    assert state(host)["at"] == moment
    failed = state(host)["failed"]

    (project.folder / "agent" / "agent.py").write_text(good, "utf-8")
    project.publish("1.2.0")
    promote(project, "1.2.0")
    for status in (401, 429, 503):
        store.fail(status)
        look(host, code=20)
        store.heal()
        store.fail(status, path_suffix=".tar.gz")
        store.fail(status, path_suffix=".tar.zst")
        look(host, code=20)
        store.heal()
        assert state(host)["failed"] == failed
        assert version_on(host) == "1.0.0"
    host.cut_network()
    look(host, code=20)
    host.restore_network()
    look(host)
    assert version_on(host) == "1.2.0"
    assert state(host)["failed"] == failed


def test_a_busy_store_is_left_alone(host: Host, store: StoreServer, project: Project) -> None:
    set_up(project, host)
    project.publish("1.1.0")
    promote(project, "1.1.0")
    store.fail(503, retry_after="3600")
    look(host, code=20)
    store.heal()
    asked = len(store.requests)
    assert "asked to be left alone" in look(host)
    assert len(store.requests) == asked
    agentctl(host, "upgrade")  # a person is not held
    assert version_on(host) == "1.1.0"


def test_a_part_of_the_hosts_is_the_same_part_each_time(
    boot_host: BootHost, project: Project
) -> None:
    early, late = hosts = boot_host(), boot_host()
    place = {bucket(f"{number:032x}", "tiny", "1.1.0"): f"{number:032x}" for number in range(400)}
    for host, machine in zip(hosts, (place[10], place[80]), strict=True):
        command = ["sh", "-c", 'printf "%s\\n" "$1" >/etc/machine-id', "sh", machine]
        host.run(command, user="root")
        set_up(project, host)
    project.publish("1.1.0")
    for percent, expected in ((1, "1.0.0"), (50, "1.1.0")):
        promote(project, "1.1.0", percent)
        for _ in range(2):
            for host in hosts:
                look(host)
            assert (version_on(early), version_on(late)) == (expected, "1.0.0"), percent
    promote(project, "1.1.0")
    for host in hosts:
        look(host)
    assert (version_on(early), version_on(late)) == ("1.1.0", "1.1.0")
