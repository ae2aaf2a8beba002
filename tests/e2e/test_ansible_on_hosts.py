"""The collection's playbooks on real hosts over real sshd: what check foresees is what changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.ansible import Fleet, Played, fleet, install_collection
from tests.support.foreseen import change
from tests.support.hosts import BootHost, Host
from tests.support.releases import Released, publish, tiny
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.host.target import Rollout
from toolkit.install_script import Choices
from toolkit.order import offering

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
SECRET, OTHER = "s3cret-of-the-first-day", "an0ther-secret-later"


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_collection(tmp_path_factory.mktemp("collection"))


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return _with_secret(tmp_path_factory.mktemp("older"), "1.0.0")


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return _with_secret(tmp_path_factory.mktemp("newer"), "1.1.0")


def _with_secret(dist: Path, version: str) -> Released:
    return tiny(dist, version=version, required=["TINY_SECRET"], secret=["TINY_SECRET"])


@pytest.fixture
def two(tmp_path: Path, collections: Path, boot_host: BootHost) -> Iterator[Fleet]:
    with fleet(tmp_path, collections, [boot_host(), boot_host()]) as found:
        yield found


@pytest.fixture
def variables(store: StoreServer, older: Released, newer: Released) -> dict[str, Any]:
    """What `render ansible-vars --channel stable` prints, for a store that has both versions."""
    signed = SignedStore(store.root)
    for released, channels in ((older, {"stable": Rollout()}), (newer, {"beta": Rollout()})):
        publish(released, store)
        file = released.artifact.tarball
        version = released.spec.release_version
        target = release(version, platform=released.artifact.platform, channels=channels)
        signed.add(file, (released.dist / file).read_bytes(), target)
    signed.publish()
    choices = Choices(store.url, root=signed.root_bytes(), channel="stable")
    found = offering(older.spec, older.dist, choices)
    return {**found, "agent_watch": 1, "agent_secrets": {"TINY_SECRET": SECRET}}


def told(played: Played) -> dict[str, dict[str, Any]]:
    return {name: change(result) for name, result in played.results.items()}


def foreseen_and_done(hosts: Fleet, playbook: str, *words: str) -> Mapping[str, Any]:
    """Play with --check, then for real; gives what changed on the first host."""
    checked = hosts.play(playbook, "--check", "--diff", *words)
    assert checked.code == 0, checked.output
    done = hosts.play(playbook, "--diff", *words)
    assert done.code == 0, done.output
    assert told(checked) == told(done)
    assert set(told(done)) == set(hosts.hosts), done.output
    return done.results["host1"]


def ask(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.run(["curl", "-s", "http://127.0.0.1:7070/"]).stdout)
    return found


def test_check_foresees_what_then_changes(two: Fleet, variables: dict[str, Any]) -> None:
    two.write(variables)
    host = two.hosts["host2"]
    fresh = foreseen_and_done(two, "install")
    assert fresh["steps"] == ["agentctl", "stage", "settings", "switch", "configure", "start"]
    assert fresh["after"]["version"] == "1.0.0"
    assert ask(host)["env"]["TINY_SECRET"] == SECRET

    same = foreseen_and_done(two, "install")
    assert (same["changed"], same["steps"]) == (False, [])

    two.write({**variables, "agent_environment": {"LEVEL": "debug"}})
    setting = foreseen_and_done(two, "install")
    assert setting["steps"] == ["settings", "start"]
    assert ask(host)["env"]["LEVEL"] == "debug"

    beta = {**variables, "agent_channel": "beta"}
    two.write(beta)
    upgraded = foreseen_and_done(two, "upgrade")
    assert (upgraded["before"]["version"], upgraded["after"]["version"]) == ("1.0.0", "1.1.0")
    assert ask(host)["from"].startswith("/opt/tiny/releases/1.1.0/")

    back = foreseen_and_done(two, "rollback", "-e", "agent_rollback_to=1.0.0")
    assert back["after"]["version"] == "1.0.0"
    assert foreseen_and_done(two, "rollback", "-e", "agent_rollback_to=1.0.0")["changed"] is False

    two.write({**variables, "agent_process_manager": "direct"})
    moved = foreseen_and_done(two, "install")
    assert (moved["before"]["manager"], moved["after"]["manager"]) == ("systemd", "direct")
    two.write(variables)
    assert foreseen_and_done(two, "install")["after"]["manager"] == "systemd"

    assert foreseen_and_done(two, "uninstall", "-e", "agent_keep_data=true")["after"] is None
    assert foreseen_and_done(two, "install")["before"] is None
    assert foreseen_and_done(two, "uninstall")["steps"] == ["uninstall"]
    assert foreseen_and_done(two, "uninstall")["changed"] is False
    assert host.run(["ls", "/opt"]).stdout == ""


def test_what_a_person_reads(two: Fleet, variables: dict[str, Any]) -> None:
    two.write(variables)
    nothing = two.play("status")
    assert (nothing.code, "tiny: not installed" in nothing.output) == (0, True), nothing.output
    assert two.play("verify").code != 0
    first = two.play("install", "--diff")
    assert '+  "version": "1.0.0"' in first.output, first.output
    assert '"TINY_SECRET": "(set)"' in first.output
    again = two.play("install")
    assert again.output.count("changed=0") == 2, again.output
    one = two.play("status", "--limit", "host2", "-e", "agent_serial=1")
    assert "tiny 1.0.0 (stable, systemd): healthy since" in one.output, one.output
    assert "host1" not in one.output
    verified = two.play("verify")
    assert verified.code == 0, verified.output
    assert two.play("verify", "-e", "agent_version=1.1.0").code != 0
    two.hosts["host1"].run(["systemctl", "stop", "tiny"], user="root")
    assert two.play("verify").code != 0
    assert two.play("install", "--tags", "status").output.count("ok=0") == 0

    wrong = two.play("install", "-e", "agent_keep=many")
    assert wrong.code != 0
    assert "agent_keep" in wrong.output


def test_a_version_that_fails_is_said_and_taken_back(
    two: Fleet, variables: dict[str, Any], store: StoreServer, tmp_path: Path
) -> None:
    two.write(variables)
    assert two.play("install").code == 0
    bad = tiny(tmp_path / "bad", version="2.0.0", exec=["/bin/false"])
    publish(bad, store)
    choices = Choices(store.url)
    two.write(
        {**offering(bad.spec, bad.dist, choices), "agent_secrets": variables["agent_secrets"]}
    )
    done = two.play("upgrade")
    assert done.code != 0
    assert "2.0.0 did not stay" in done.output, done.output
    assert "1.0.0 runs again" in done.output
    # The first host was the whole first batch.
    assert "host2" not in done.output.partition("PLAY RECAP")[2]
    assert ask(two.hosts["host1"])["from"].startswith("/opt/tiny/releases/1.0.0/")


def test_secrets_are_rotated(two: Fleet, variables: dict[str, Any]) -> None:
    two.write(variables)
    host = two.hosts["host1"]
    assert two.play("install").code == 0
    before = host.run(["systemctl", "show", "tiny", "--property=MainPID"]).stdout
    two.write({**variables, "agent_secrets": {"TINY_SECRET": OTHER}})
    rotated = two.play("rotate_secrets")
    assert rotated.code == 0, rotated.output
    assert host.run(["systemctl", "show", "tiny", "--property=MainPID"]).stdout != before
    assert ask(host)["env"]["TINY_SECRET"] == OTHER
    assert rotated.results["host1"]["steps"] == ["settings", "start"]
    assert two.play("rotate_secrets").output.count("changed=0") == 2
