"""`toolkit enroll` with a real controller, over hosts that are folders of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.beating import build_beating
from tests.support.local_agent import publish_local
from tests.support.releases import Released
from tests.support.served import Server, command, serving
from toolkit import engine, ledger

Json = dict[str, Any]
NAMES = ("h0", "h1", "h2")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    folder = tmp_path_factory.mktemp("beating")
    return {version: build_beating(folder, version) for version in ("1.0.0", "1.1.0")}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path}/controller.db", tmp_path / "log") as found:
        yield found


class Hosts:
    """Three hosts that are folders, and the command."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.inventory = folder / "hosts.json"
        self.token = folder / "token"
        self.token.write_text(server.token + "\n", "utf-8")
        self.token.chmod(0o600)

    def home(self, name: str) -> Path:
        return self.folder / "hosts" / name

    def offer(self, released: Released, **own: Mapping[str, Any]) -> None:
        store, file = self.folder / "store", released.artifact.tarball
        publish_local(store, released)
        agentctl = engine.build()
        common = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "agent_store": str(store),
            "agent_version": released.spec.release_version,
            "agent_tarballs": [
                [
                    released.artifact.platform or "any",
                    file,
                    hashlib.sha256((released.dist / file).read_bytes()).hexdigest(),
                ]
            ],
            "agent_agentctl": {"name": agentctl.name, "sha256": agentctl.sha256},
            "agent_process_manager": "direct",
            "agent_environment": {"LOG_LEVEL": "debug"},
        }
        hosts = {name: {"agent_home": str(self.home(name)), **own.get(name, {})} for name in NAMES}
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}), "utf-8")

    def argv(self, *words: str) -> list[str]:
        where = ["-i", str(self.inventory), "--ledger", str(self.folder / "ledger")]
        who = ["--controller", self.server.url, "--token-file", str(self.token)]
        return [
            sys.executable,
            "-m",
            "toolkit",
            "enroll",
            "--agent",
            "beating",
            *where,
            *who,
            *words,
        ]

    def run(self, *words: str, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(*words),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            env={**os.environ, "HOME": str(self.folder), **environ},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def rows(self, *words: str, code: int = 0) -> dict[str, Json]:
        done = self.run("--json", *words, code=code)
        self.said = done.stderr
        return {row["host"]: row for row in json.loads(done.stdout)}

    def resumed(self) -> subprocess.CompletedProcess[str]:
        """Have the last rollout taken up by its name, as rollouts of other verbs can be."""
        folder = self.folder / "ledger"
        words = ["fleet", "resume", ledger.rollouts(folder)[-1], "--ledger", str(folder)]
        argv = [sys.executable, "-m", "toolkit", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=180)

    def env(self, name: str) -> str:
        return (self.home(name) / ".env").read_text("utf-8")

    def agents(self) -> dict[str, Json]:
        rows = self.server.call("GET", "/agents?limit=100")["data"]
        return {row["name"]: row for row in rows}

    def end(self) -> None:
        for name in NAMES:
            if (self.home(name) / "agentctl").exists():
                subprocess.run(
                    [sys.executable, str(self.home(name) / "agentctl"), "uninstall"],
                    check=False,
                    timeout=60,
                    capture_output=True,
                )


@pytest.fixture
def hosts(tmp_path: Path, server: Server) -> Iterator[Hosts]:
    made = Hosts(tmp_path, server)
    yield made
    made.end()


def test_hosts_become_running_agents_and_stay_as_they_are(
    hosts: Hosts, releases: dict[str, Released]
) -> None:
    hosts.offer(releases["1.0.0"])
    planned = hosts.rows("--check")
    assert {row["credential"] for row in planned.values()} == {"new"}
    assert hosts.agents() == {}
    rows = hosts.rows("--tags", "web,eu")
    assert all(row["online"] and row["credential"] == "new" for row in rows.values())
    agents = hosts.agents()
    assert set(agents) == set(NAMES)
    assert all(
        (row["liveness"], row["version"], row["tags"], row["release"])
        == ("online", "1.0.0", ["web", "eu"], "beating")
        for row in agents.values()
    )
    before = {name: hosts.env(name) for name in NAMES}
    assert len({text.partition("AIWM_AGENT_SECRET=")[2][:64] for text in before.values()}) == 3

    again = hosts.rows()
    assert {(row["what"], row["credential"]) for row in again.values()} == {("had it", "kept")}
    assert not any(row["changed"] for row in again.values())
    assert before == {name: hosts.env(name) for name in NAMES}
    assert "online at the controller: 3 of 3 hosts" in hosts.run().stdout

    hosts.offer(releases["1.1.0"])
    upgraded = hosts.rows("--max-failed", "1")
    assert {(row["version"], row["credential"]) for row in upgraded.values()} == {("1.1.0", "kept")}
    assert {row["version"] for row in hosts.agents().values()} == {"1.1.0"}
    assert before == {name: hosts.env(name) for name in NAMES}

    rotated = hosts.rows("--rotate", "--limit", "h1")
    assert (rotated["h1"]["credential"], rotated["h1"]["online"]) == ("new", True)
    assert hosts.env("h1") != before["h1"]
    assert hosts.env("h0") == before["h0"]


def test_what_was_cut_off_is_finished_by_the_same_command(
    hosts: Hosts, releases: dict[str, Released]
) -> None:
    hosts.offer(releases["1.0.0"])
    cut = subprocess.Popen(
        hosts.argv("--canary", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(hosts.folder)},
    )
    deadline = time.monotonic() + 60
    while not (hosts.home("h0") / "agentctl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    cut.send_signal(signal.SIGINT)
    said, _ = cut.communicate(timeout=120)
    assert cut.returncode == 130, said
    assert "run the same command again" in said
    assert re.search(r"h2 +✗ .* waiting", said), said
    first = {name: row["id"] for name, row in hosts.agents().items()}
    assert set(first) == {"h0"}  # nothing was made for those that were not visited
    rows = hosts.rows()
    assert all(row["online"] for row in rows.values())
    assert {name: row["id"] for name, row in hosts.agents().items()}["h0"] == first["h0"]


def test_where_it_stops_the_others_keep_their_credentials(
    hosts: Hosts, releases: dict[str, Released]
) -> None:
    hosts.offer(releases["1.0.0"])
    hosts.rows()
    before = {name: hosts.env(name) for name in NAMES}
    hosts.offer(releases["1.1.0"])
    (hosts.folder / "store" / releases["1.1.0"].artifact.tarball).unlink()
    stopped = hosts.rows("--rotate", code=16)
    assert [stopped[name]["credential"] for name in ("h1", "h2")] == ["", ""]
    resumed = hosts.resumed()
    assert (resumed.returncode, "run the same `toolkit enroll` again" in resumed.stderr) == (
        17,
        True,
    )
    hosts.offer(releases["1.0.0"])
    rest = hosts.rows("--limit", "h1,h2")
    assert {row["credential"] for row in rest.values()} == {"kept"}
    assert all(row["online"] for row in rest.values())
    assert [hosts.env(name) for name in ("h1", "h2")] == [before[name] for name in ("h1", "h2")]
    assert hosts.rows()["h0"]["online"]


def test_a_release_that_hosts_refuse_makes_no_agent(
    hosts: Hosts, releases: dict[str, Released]
) -> None:
    hosts.offer(releases["1.0.0"])
    assert "no release of wrong" in hosts.run("--agent", "wrong", code=3).stderr
    assert hosts.agents() == {}
    assert not hosts.home("h0").exists()


def test_what_the_controller_refuses_is_told_of_the_host(
    hosts: Hosts, releases: dict[str, Released]
) -> None:
    hosts.offer(releases["1.0.0"])
    viewer = {"email": "viewer@example.com", "role": "organization.viewer"}
    hosts.server.call("POST", "/users", viewer)
    hosts.token.write_text(
        command("token", "--email", viewer["email"], database=hosts.server.database), "utf-8"
    )
    rows = hosts.rows("--limit", "h0", code=16)
    assert rows["h0"]["fault"].startswith("controller: the controller answered 403")
    assert not (hosts.home("h0") / "agentctl").exists()


def test_a_credential_that_works_no_more_is_replaced(
    hosts: Hosts, releases: dict[str, Released]
) -> None:
    hosts.offer(releases["1.0.0"])
    hosts.rows()
    agents = hosts.agents()
    hosts.server.call("POST", f"/agents/{agents['h0']['id']}/regenerate-credentials")
    hosts.server.call("PUT", f"/agents/{agents['h2']['id']}", {"status": "suspended"})
    rows = hosts.rows(code=18)
    assert {name: (row["credential"], row["online"]) for name, row in rows.items()} == {
        "h0": ("new", True),
        "h1": ("kept", True),
        "h2": ("", False),
    }
    assert rows["h2"]["fault"] == "its agent is suspended"
    assert "activate it" in hosts.said


def test_faults_say_what_to_do(hosts: Hosts, releases: dict[str, Released]) -> None:
    hosts.offer(releases["1.0.0"])
    hosts.token.chmod(0o644)
    assert "chmod 600" in hosts.run(code=2).stderr
    hosts.token.chmod(0o600)
    hosts.token.write_bytes(b"\xff\xfe")
    assert "holds no token" in hosts.run(code=2).stderr
    hosts.token.write_text("wrong", "utf-8")
    said = hosts.run(code=18).stderr
    assert "get a new token" in said
    assert "wrong" not in said
    hosts.token.write_text(hosts.server.token, "utf-8")
    none = hosts.run("--controller", "http://127.0.0.1:port", code=2).stderr
    assert "no http or https address" in none
    away = hosts.run("--controller", "http://192.0.2.1", code=2).stderr
    assert "not https" in away
    hosts.server.kill()
    assert "did not answer" in hosts.run(code=18).stderr
    hosts.server.start()
    hosts.server.call("POST", "/agents", {"name": "h0", "type": "autonomous"})
    hosts.server.call("POST", "/agents", {"name": "h0", "type": "autonomous"})
    assert "2 agents called h0" in hosts.run(code=3).stderr
    assert not hosts.home("h1").exists()


def test_an_agent_that_does_not_come_online_is_told(hosts: Hosts, tmp_path: Path) -> None:
    hosts.offer(build_beating(tmp_path / "other", "1.0.0", said="0.9.0"))
    rows = hosts.rows("--wait", "3", "--limit", "h0", code=18)
    assert rows["h0"]["fault"] == "1.0.0 runs, and the controller sees 0.9.0, online"
    assert "toolkit fleet logs" in hosts.said


def test_the_token_may_stand_in_the_environment(
    hosts: Hosts, releases: dict[str, Released]
) -> None:
    hosts.offer(releases["1.0.0"])
    argv = hosts.argv("--check", "--json")
    place = argv.index("--token-file")
    done = subprocess.run(
        [*argv[:place], *argv[place + 2 :]],
        env={**os.environ, "TOOLKIT_CONTROLLER_TOKEN": hosts.server.token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 3
    wrong = subprocess.run(
        [*argv[:place], *argv[place + 2 :]],
        env={**os.environ, "TOOLKIT_CONTROLLER_TOKEN": "two\nlines"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert "TOOLKIT_CONTROLLER_TOKEN holds no token" in wrong.stderr
    assert "lines" not in wrong.stderr
