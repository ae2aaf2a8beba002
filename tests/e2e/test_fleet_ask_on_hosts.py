"""`toolkit fleet` asks real hosts: some that work, one that is down, one that is somebody else."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from tests.support.fleet import Operator
from tests.support.hosts import BootHost, Host
from tests.support.podman import podman
from tests.support.releases import SAMPLES, Released, install, put_script, tiny
from tests.support.serve import StoreServer

pytestmark = [pytest.mark.hosts, pytest.mark.one_suite]

GOOD, DOWN, FOREIGN = "good", "down", "foreign"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "operator"
    shutil.copytree(SAMPLES / "tiny", made)
    return made


@pytest.fixture
def one(folder: Path, plain: Released, store: StoreServer, host: Host) -> Operator:
    """One host that runs the sample agent."""
    put_script(plain, store, host)
    assert install(host).returncode == 0
    return Operator(folder, {GOOD: host}, agent_name="tiny")


@pytest.fixture
def mixed(one: Operator, boot_host: BootHost) -> Operator:
    """That host, one whose power is cut, and one at whose address another machine answers."""
    one.hosts |= {DOWN: boot_host(), FOREIGN: boot_host()}
    one.own |= {DOWN: {}, FOREIGN: {}}
    one.write()
    keys = one.known_hosts.read_text("utf-8").splitlines()
    wrong = f"{keys[2].split()[0]} {' '.join(keys[0].split()[1:])}"
    one.known_hosts.write_text("\n".join([*keys[:2], wrong, ""]), encoding="utf-8")
    one.hosts[DOWN].kill()
    return one


def test_a_fleet_with_a_host_that_is_down_and_one_that_is_foreign(mixed: Operator) -> None:
    found = {each["host"]: each for each in mixed.json("status", "--timeout", "20", code=202)}
    assert found[GOOD]["healthy"] is True
    assert found[GOOD]["version"] == "1.0.0"
    assert found[GOOD]["manager"] == "systemd"
    assert found[GOOD]["failure"] is None
    assert found[DOWN]["failure"]["kind"] == "unreachable"
    assert found[FOREIGN]["failure"]["kind"] == "host_key"
    assert "another machine answers" in found[FOREIGN]["failure"]["why"]
    assert "ssh-keygen -R" in found[FOREIGN]["failure"]["hint"]
    # Nobody tried to get in there: a key that is wrong ends it before any login.
    said = mixed.hosts[FOREIGN].run(["journalctl", "-u", "ssh"], user="root").stdout
    assert "Accepted" not in said

    table = mixed.run("status", "--timeout", "20")
    assert table.returncode == 202
    assert "healthy on 1 of 3 hosts" in table.stderr

    done = mixed.run("exec", "--limit", f"{GOOD}:{DOWN}", "--", "id", "-un")
    assert done.returncode == 201
    assert "good │ root" in done.stdout

    files = ["--html", "fleet.html", "--junit", "fleet.xml"]
    verified = mixed.json("verify", *files, "--timeout", "30", code=202)
    assert {each["host"]: each["holds"] for each in verified} == {
        GOOD: True,
        DOWN: False,
        FOREIGN: False,
    }
    page = (mixed.folder / "fleet.html").read_text("utf-8")
    assert "1 of 3 hosts are as they should be" in page
    assert "http" not in page.replace("HTTP", "").replace("http://127.0.0.1", "")
    junit = (mixed.folder / "fleet.xml").read_text("utf-8")
    assert junit.count("<testsuite ") == 3
    assert junit.count("<error ") == 2


def test_what_was_changed_on_a_host_is_found(one: Operator) -> None:
    host = one.hosts[GOOD]
    assert one.json("verify", "--version", "1.0.0")[0]["holds"] is True
    spoil = "cd /opt/tiny/current; echo '#' >>agent.py; touch added; rm .env.example"
    host.run(["sh", "-c", spoil], user="root")
    (found,) = one.json("verify", "--version", "1.0.1", code=201)
    assert found["files"]["changed"] == ["agent.py"]
    assert found["files"]["added"] == ["added"]
    assert found["files"]["missing"] == [".env.example"]
    assert found["drifted"] is True
    failed = {check["name"] for check in found["checks"] if not check["holds"]}
    assert failed == {"version", "files as released"}
    assert found["system"]["exposure"] < 5


def test_the_service_is_kept_restarted_and_removed(one: Operator) -> None:
    host = one.hosts[GOOD]
    before = one.json("status")[0]["pid"]
    assert one.json("restart")[0]["ok"] is True
    assert one.json("status")[0]["pid"] != before

    done = one.run("support-bundle")
    assert done.returncode == 0, done.stderr
    bundle = one.folder / "support-bundles" / "good.tar.gz"
    assert bundle.stat().st_mode & 0o077 == 0
    with tarfile.open(bundle) as packed:
        assert any(name.endswith("state.json") for name in packed.getnames())

    host.run(["systemctl", "stop", "tiny"], user="root")
    (stopped,) = one.json("status", code=201)
    assert stopped["healthy"] is False
    assert "does not run" in stopped["failure"]["why"]

    refused = one.run("uninstall", input="n\n")
    assert refused.returncode == 1
    assert "Remove the agent of the inventory from 1 host" in refused.stderr
    assert host.run(["test", "-d", "/opt/tiny"], check=False).returncode == 0
    assert one.run("uninstall", "--yes").returncode == 0
    assert host.run(["test", "-e", "/opt/tiny"], check=False).returncode == 1
    (gone,) = one.json("status", code=201)
    assert gone["failure"]["why"] == "not installed"
    (nothing,) = one.json("restart", code=201)
    assert "nothing is installed" in nothing["failure"]["why"]


def test_logs_are_followed_and_leave_nothing_behind(one: Operator) -> None:
    host = one.hosts[GOOD]
    host.run(["curl", "-s", "http://127.0.0.1:7070/before"])
    assert "GET /before" in one.run("logs", "-n", "50").stdout
    with subprocess.Popen(
        one.argv("logs", "--follow"),
        cwd=one.folder,
        env=one.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline().startswith("good │ ")
        host.run(["curl", "-s", "http://127.0.0.1:7070/during"])
        while "GET /during" not in follower.stdout.readline():
            pass
        follower.send_signal(signal.SIGINT)
        assert follower.wait(20) == 0
    deadline = time.monotonic() + 20
    while host.run(["pgrep", "-f", "journalctl|agentctl logs"], check=False).returncode == 0:
        assert time.monotonic() < deadline, "the host still follows the log"
        time.sleep(0.5)


def test_an_unknown_key_is_refused_and_says_what_to_do(one: Operator) -> None:
    one.known_hosts.write_text("", encoding="utf-8")
    (found,) = one.json("status", code=201)
    assert found["failure"]["kind"] == "host_key"
    shown = one.hosts[GOOD].run(["ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout
    assert shown.split()[1] in found["failure"]["why"]
    assert "accept it once: ssh" in found["failure"]["hint"]
    assert one.known_hosts.read_text("utf-8") == ""


def test_a_host_that_hangs_does_not_block_the_table(one: Operator, boot_host: BootHost) -> None:
    one.hosts["hung"] = boot_host()
    one.own["hung"] = {}
    one.write()
    podman("pause", one.hosts["hung"].name)
    try:
        begun = time.monotonic()
        found = {
            each["host"]: each
            for each in one.json("status", "--timeout", "4", "--parallel", "1", code=201)
        }
        assert time.monotonic() - begun < 60
    finally:
        podman("unpause", one.hosts["hung"].name)
    assert found[GOOD]["healthy"] is True
    assert found["hung"]["failure"]["kind"] in ("unreachable", "timeout")
