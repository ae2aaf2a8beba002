"""What every process manager keeps to, shown with one small agent under each of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.hosts import Host
from tests.support.pairs import in_turn
from tests.support.releases import SCRIPT, Released, build_echo, install, put_script
from tests.support.serve import StoreServer
from toolkit.contract import Verdict
from toolkit.verify import Options, verify

pytestmark = [pytest.mark.hosts, pytest.mark.network, pytest.mark.either_suite]
OWN = "/home/operator/.local/share/echo"
# Managers that need root, and those with which the operator alone does it all.
ROOTED, OWNED = ("systemd", "pm2"), ("systemd-user", "direct")
MANAGERS = (*ROOTED, *OWNED)
URL = "http://127.0.0.1:7272/"
LOGS = """
import sys
from pathlib import Path
from toolkit.host.accounts import existing_account
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation
from toolkit.host.managers import MANAGERS
from toolkit.host.known import read_release
from toolkit.host.state import read_state

layout = Layout(Path(sys.argv[1]))
state, release = read_state(layout), read_release(layout.release("1.0.0"))
installation = Installation(release, layout, existing_account(state.user))
print(MANAGERS[state.manager].logs(installation, 20))
"""


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    folder = tmp_path_factory.mktemp("echo")
    return build_echo(folder / "project", folder / "dist")


@pytest.fixture(scope="session")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Released:
    folder = tmp_path_factory.mktemp("wrong")
    return build_echo(folder / "project", folder / "dist", version="1.1.0", wrong=True)


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """A good version that is watched for longer than a busy machine takes to cut the power."""
    folder = tmp_path_factory.mktemp("slow")
    return build_echo(folder / "project", folder / "dist", version="1.1.0", watch=12)


@pytest.fixture(scope="session")
def without_pm2(tmp_path_factory: pytest.TempPathFactory) -> Released:
    folder = tmp_path_factory.mktemp("without")
    return build_echo(folder / "project", folder / "dist", pm2=False)


@dataclass(frozen=True)
class Place:
    """The agent on a host, under one manager."""

    host: Host
    manager: str
    spec: Any

    @property
    def home(self) -> str:
        return OWN if self.manager in OWNED else "/opt/echo"

    @property
    def user(self) -> str:
        return "root" if self.manager in ROOTED else "operator"

    def install(self, *words: str, **settings: str) -> str:
        env = {"PROCESS_MANAGER": self.manager, "INSTALL_DIR": self.home, **settings}
        done = install(self.host, *words, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        argv = [f"{self.home}/agentctl", "status", "--json"]
        found: dict[str, Any] = json.loads(self.host.run(argv, user=self.user, check=False).stdout)
        return found

    def logs(self) -> str:
        argv = ["python3", "-c", LOGS, self.home]
        env = {"PYTHONPATH": f"{self.home}/agentctl"}
        return self.host.run(argv, user=self.user, env=env).stdout

    def wait_until_healthy(self, *, other_than: int = 0) -> int:
        """Look every half second, for half a minute; gives the id of the main process."""
        look = (
            f"for n in $(seq 60); do {self.home}/agentctl status --json >/tmp/said &&"
            f" ! grep -q '\"pid\": {other_than},' /tmp/said && exit 0; sleep 0.5; done; exit 1"
        )
        self.host.run(["sh", "-c", look], user=self.user, timeout=120)
        return int(self.status()["pid"])

    def verify(self) -> Verdict:
        return verify(self.spec, f"podman://{self.host.name}", Options(home=self.home))

    def answer(self) -> str:
        return self.host.run(["curl", "-s", URL]).stdout


@pytest.fixture
def linger(host: Host) -> None:
    """Let the operator's systemd run with nobody logged in; these hosts have no polkit."""
    host.run(["loginctl", "enable-linger", "operator"], user="root")


@pytest.mark.usefixtures("linger")
@pytest.mark.either_suite(said=True)
@pytest.mark.parametrize(("suite", "manager"), in_turn(MANAGERS, 0), indirect=["suite"])
def test_the_contract(manager: str, released: Released, host: Host, store: StoreServer) -> None:
    put_script(released, store, host)
    place = Place(host, manager, released.spec)

    place.install(ECHO_WORD="first")
    assert place.answer() == "first"
    status = place.status()
    assert (status["manager"], status["healthy"], status["user"]) == (manager, True, "operator")
    assert place.verify().failed == ()
    assert "the word is first" in place.logs()
    assert "no change" in place.install()
    assert place.status() == status

    host.run(["kill", "-KILL", str(status["pid"])], user="root")
    assert place.wait_until_healthy(other_than=status["pid"]) != status["pid"]
    assert place.status()["restarts"] == 1

    place.install(ECHO_WORD="second")
    assert place.answer() == "second"
    assert "the word is second" in place.logs()

    place.install("uninstall")
    assert host.run(["ls", place.home], check=False).returncode != 0
    assert host.run(["pgrep", "-f", "agent.js"], check=False).stdout == ""
    assert host.run(["curl", "-s", URL], check=False).returncode != 0


@pytest.mark.usefixtures("linger")
@pytest.mark.either_suite(said=True)
@pytest.mark.parametrize(("suite", "manager"), in_turn(MANAGERS, 1), indirect=["suite"])
def test_a_bad_version_goes(
    manager: str, released: Released, wrong: Released, host: Host, store: StoreServer
) -> None:
    put_script(released, store, host)
    place = Place(host, manager, released.spec)
    place.install(ECHO_WORD="first")
    put_script(wrong, store, host)
    env = {"PROCESS_MANAGER": manager, "INSTALL_DIR": place.home, "ECHO_WORD": "second"}
    done = install(host, **env)
    assert done.returncode == 31, done.stdout + done.stderr
    assert "1.1.0 did not stay" in done.stderr
    assert "1.0.0 runs again and is healthy" in done.stderr
    assert place.answer() == "first"
    assert (place.status()["version"], place.status()["trial"]) == ("1.0.0", None)
    assert place.verify().failed == ()


@pytest.mark.parametrize("how", ["agentctl is killed", "the power fails"])
def test_under_pm2_systemd_has_a_trial_ended_that_nobody_watches(
    how: str, released: Released, slow: Released, host: Host, store: StoreServer
) -> None:
    put_script(released, store, host)
    place = Place(host, "pm2", released.spec)
    place.install(ECHO_WORD="first")
    put_script(slow, store, host)
    running = host.spawn([SCRIPT], env={"PROCESS_MANAGER": "pm2", "ECHO_WORD": "second"})
    assert running.stdout is not None
    assert any("watch echo 1.1.0" in line for line in iter(running.stdout.readline, ""))
    if how == "agentctl is killed":
        host.run(["pkill", "-KILL", "-f", "^python3 .*agentctl install"], user="root")
    else:
        host.kill()
        host.start()
    look = "for n in $(seq 240); do test ! -e /opt/echo/trial && exit; sleep 0.5; done; exit 1"
    host.run(["sh", "-c", look], user="root", timeout=150)
    place.wait_until_healthy()
    assert place.answer() == "first"
    status = place.status()
    assert (status["version"], status["trial"], status["failed"]) == ("1.0.0", None, {})
    assert status["last_attempt"]["what"] == "reverted"
    assert host.run(["sh", "-c", "ls /etc/systemd/system | grep settle"], check=False).stdout == ""


def test_pm2_of_the_host_serves_a_release_that_brings_none(
    released: Released, without_pm2: Released, host: Host, store: StoreServer
) -> None:
    put_script(without_pm2, store, host)
    done = install(host, PROCESS_MANAGER="pm2", ECHO_WORD="mine")
    assert done.returncode == 10, done.stdout + done.stderr
    assert "PM2 is not on this host, and the release does not bring it" in done.stderr
    install(host, "uninstall", PROCESS_MANAGER="pm2")
    # The host's own PM2, as npm would have put it there.
    put_script(released, store, host)
    Place(host, "systemd", released.spec).install(ECHO_WORD="first")
    own = "/usr/local/lib/own"
    program = f'#!/bin/sh\nexec {own}/node/bin/node {own}/pm2/node_modules/pm2/bin/pm2 "$@"\n'
    host.run(["cp", "-rL", "/opt/echo/current/runtime", own], user="root")
    host.run(["sh", "-c", "cat >/usr/local/bin/pm2 && chmod 755 /usr/local/bin/pm2"], user="root",
             input=program)  # fmt: skip
    Place(host, "systemd", released.spec).install("uninstall")

    put_script(without_pm2, store, host)
    place = Place(host, "pm2", without_pm2.spec)
    place.install(ECHO_WORD="mine")
    assert place.answer() == "mine"
    assert (place.status()["manager"], place.status()["healthy"]) == ("pm2", True)
    assert "no change" in place.install()
    host.run(["pm2", "stop", "echo"])
    assert place.status()["manager_says"] == "stopped"
    place.install("uninstall")
    assert host.run(["ls", "/opt/echo"], check=False).returncode != 0
    assert host.run(["pgrep", "-f", "agent.js"], check=False).stdout == ""


@pytest.mark.usefixtures("linger")
def test_a_user_s_own_systemd_ends_a_trial_without_agentctl(
    released: Released, wrong: Released, host: Host, store: StoreServer
) -> None:
    put_script(released, store, host)
    place = Place(host, "systemd-user", released.spec)
    place.install(ECHO_WORD="first")
    put_script(wrong, store, host)
    env = {"PROCESS_MANAGER": "systemd-user", "ECHO_WORD": "second"}
    running = host.spawn([SCRIPT], env=env)
    assert running.stdout is not None
    assert any("start echo 1.1.0" in line for line in iter(running.stdout.readline, ""))
    pid = host.run(["pgrep", "-f", "^python3 .*agentctl install"]).stdout.split()[0]
    host.run(["kill", "-KILL", pid], user="root")
    place.wait_until_healthy()
    assert place.answer() == "first"
    assert place.status()["last_attempt"]["what"] == "reverted"


@pytest.mark.usefixtures("linger")
@pytest.mark.either_suite(said=True)
@pytest.mark.parametrize(
    ("suite", "manager"), in_turn([*ROOTED, "systemd-user"], 0), indirect=["suite"]
)
def test_it_comes_back_with_the_host(
    manager: str, released: Released, host: Host, store: StoreServer
) -> None:
    put_script(released, store, host)
    place = Place(host, manager, released.spec)
    place.install(ECHO_WORD="here")
    host.restart()
    place.wait_until_healthy()
    assert place.answer() == "here"
    failed = {check.name for check in place.verify().failed}
    assert failed <= {"restarts"}  # it may have begun before its network


def test_a_user_without_leave_to_linger_is_told_whom_to_ask(
    released: Released, host: Host, store: StoreServer
) -> None:
    put_script(released, store, host)
    host.run(["sh", "-c", f"cp {SCRIPT} /tmp/install.sh"], user="root")
    env = {"PROCESS_MANAGER": "systemd-user", "ECHO_WORD": "mine"}
    done = host.run(["/tmp/install.sh"], user="visitor", env=env, check=False, timeout=240)
    assert done.returncode == 11
    assert "sudo loginctl enable-linger visitor" in done.stderr
    host.run(["loginctl", "enable-linger", "visitor"], user="root")
    done = host.run(["/tmp/install.sh"], user="visitor", env=env, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = "/home/visitor/.local/share/echo"
    assert host.run([f"{folder}/agentctl", "status"], user="visitor").returncode == 0
    done = host.run(["/tmp/install.sh", "uninstall"], user="visitor", env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    left = host.run(["find", "/home/visitor", "-name", "*echo*"], user="root").stdout
    assert left == ""
