"""agentctl upgrade, rollback and history on a host that follows a signed store."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import Host
from tests.support.published import Project
from tests.support.releases import SCRIPT, install
from tests.support.serve import StoreServer

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
OLD, NEW = "1.0.0", "1.1.0"
AGENTCTL = "/opt/tiny/agentctl"


def agentctl(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    return host.run(["sudo", AGENTCTL, *words], check=False, timeout=200)


def state(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.read("/opt/tiny/state.json"))
    return found


def history(host: Host) -> list[tuple[str, str]]:
    events = json.loads(agentctl(host, "history", "--json").stdout)
    return [(event["what"], event["version"]) for event in events]


@pytest.fixture
def project(host: Host, store: StoreServer, tmp_path: Path) -> Project:
    """A signed store with both versions, and a host that has the old one of its channel."""
    project = Project(tmp_path / "project", store)
    project.run("keys", "init", "--agent", "tiny")
    for version in (OLD, NEW):
        project.publish(version)
    project.run("promote", "tiny", OLD, "--channel", "stable")
    script = tmp_path / "project" / "install.sh"
    project.run("render", "install-script", "tiny", "--channel", "stable", "-o", str(script))
    host.put(script, SCRIPT, mode=0o755)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def test_a_host_goes_to_what_its_channel_has_and_back(host: Host, project: Project) -> None:
    nothing = agentctl(host, "upgrade")
    assert nothing.returncode == 0
    assert "no change" in nothing.stdout
    project.run("promote", "tiny", NEW, "--channel", "stable")

    check = agentctl(host, "upgrade", "--check")
    assert check.returncode == 0
    assert f"{OLD} runs, {NEW} would" in check.stdout
    assert (
        f"watch it as long as the release says; then keep it, or bring {OLD} back" in check.stdout
    )
    assert state(host)["version"] == OLD
    assert host.run(["ls", "/opt/tiny/releases"]).stdout.split() == [OLD]

    done = agentctl(host, "upgrade")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "healthy for 0 of 2 s" in done.stdout
    assert (state(host)["version"], state(host)["previous"]) == (NEW, OLD)
    assert state(host)["channel"] == "stable"

    back = agentctl(host, "rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert (state(host)["version"], state(host)["previous"]) == (OLD, NEW)
    assert history(host) == [("installed", OLD), ("upgraded", NEW), ("rolled back", OLD)]

    again = agentctl(host, "upgrade")
    assert again.returncode == 32
    assert "an operator went back from it" in again.stderr
    assert "--again" in again.stderr
    assert agentctl(host, "upgrade", "--again").returncode == 0
    assert state(host)["version"] == NEW


def test_a_version_that_is_not_here_is_not_gone_back_to(host: Host, project: Project) -> None:
    nowhere = agentctl(host, "rollback")
    assert nowhere.returncode == 2
    assert f"there is no version before {OLD} on this host; these are: {OLD}" in nowhere.stderr
    unknown = agentctl(host, "rollback", "--to", "9.9.9")
    assert unknown.returncode == 2
    assert "9.9.9 is not on this host" in unknown.stderr


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_store_that_refuses_condemns_nothing(
    status: int, host: Host, project: Project, store: StoreServer
) -> None:
    project.run("promote", "tiny", NEW, "--channel", "stable")
    store.fail(status)
    refused = agentctl(host, "upgrade")
    assert refused.returncode == 20, refused.stdout + refused.stderr
    assert state(host)["failed"] == {}
    assert state(host)["version"] == OLD
    store.heal()
    done = agentctl(host, "upgrade")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_host_restarts_in_mid_trial(host: Host, project: Project) -> None:
    project.run("promote", "tiny", NEW, "--channel", "stable")
    running = host.spawn(["sudo", AGENTCTL, "upgrade", "--watch", "60"])
    assert running.stdout is not None
    assert any("healthy for" in line for line in iter(running.stdout.readline, ""))
    host.restart()
    status = json.loads(agentctl(host, "status", "--json").stdout)
    assert (status["version"], status["healthy"], status["trial"]) == (OLD, True, None)
    assert history(host)[-1] == ("reverted", NEW)
    assert "the host was started anew while it was on trial" in str(state(host)["reason"])
    assert state(host)["failed"] == {}
    assert agentctl(host, "upgrade").returncode == 0


def test_ctrl_c_in_mid_trial_and_the_same_command_again(host: Host, project: Project) -> None:
    project.run("promote", "tiny", NEW, "--channel", "stable")
    running = host.spawn(["sudo", AGENTCTL, "upgrade", "--watch", "60"])
    assert running.stdout is not None
    assert any("healthy for" in line for line in iter(running.stdout.readline, ""))
    pid = host.run(["pgrep", "-f", "^/?[^ ]*python3 .*agentctl upgrade"]).stdout.split()[0]
    host.run(["kill", "-INT", pid], user="root")
    assert running.wait(30) == 130
    assert "on trial" in agentctl(host, "status").stdout
    done = agentctl(host, "upgrade")
    assert done.returncode == 0, done.stdout + done.stderr
    assert state(host)["version"] == NEW


def test_a_release_s_own_commands_run_as_its_user(host: Host, project: Project) -> None:
    file = project.folder / "release" / "tiny.toml"
    hooks = (
        '\n[hooks]\nbefore_switch = ["/bin/sh", "-c", "id -un >>{home}/workspace/before; '
        'basename {release} >>{home}/workspace/before"]\n'
        'after_commit = ["/bin/false"]\n'
    )
    file.write_text(file.read_text("utf-8") + hooks, "utf-8")
    project.publish("1.2.0")
    project.run("promote", "tiny", "1.2.0", "--channel", "stable")
    done = agentctl(host, "upgrade")
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.read("/opt/tiny/workspace/before").split() == ["operator", "1.2.0"]
    assert history(host)[-2:] == [("upgraded", "1.2.0"), ("failed", "1.2.0")]
    text = file.read_text("utf-8").replace('["/bin/sh", "-c"', '["/bin/false"')
    file.write_text(text, "utf-8")
    project.publish("1.3.0")
    project.run("promote", "tiny", "1.3.0", "--channel", "stable")
    refused = agentctl(host, "upgrade")
    assert refused.returncode == 25, refused.stdout + refused.stderr
    assert state(host)["version"] == "1.2.0"
