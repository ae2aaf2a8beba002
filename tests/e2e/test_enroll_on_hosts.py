"""The controller's own scripts on real hosts, and upgrades that its heartbeats decide."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.beating import build_beating, release_text
from tests.support.hosts import Host
from tests.support.network import HostNetwork
from tests.support.releases import SCRIPT, Released, publish
from tests.support.serve import StoreServer
from tests.support.served import Server, serving

pytestmark = [pytest.mark.hosts, pytest.mark.one_suite]
HOME = "/opt/beating"
Json = dict[str, Any]


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    """Three versions; the last one's heartbeats name another."""
    said = {"1.0.0": "", "1.1.0": "", "1.2.0": "1.1.0"}
    return {
        version: build_beating(tmp_path_factory.mktemp("beating"), version, said=other, gate=True)
        for version, other in said.items()
    }


@pytest.fixture
def controller(
    tmp_path: Path, host_network: HostNetwork, store: StoreServer, versions: dict[str, Released]
) -> Iterator[Server]:
    """A controller that hosts reach, whose scripts install the oldest version."""
    for released in versions.values():
        publish(released, store)
    folder = tmp_path / "releases"
    folder.mkdir()
    (folder / "beating.toml").write_text(release_text(gate=True), "utf-8")
    (folder / "dist").symlink_to(versions["1.0.0"].dist)
    database, log = f"sqlite:///{tmp_path}/controller.db", tmp_path / "log"
    with serving(database, log, "--releases", str(folder), address=host_network.gateway) as server:
        server.call(
            "POST", "/configurations", {"key": "agent.download.baseUrl", "value": store.url}
        )
        yield server


def online(server: Server, agent: str, seconds: float = 30) -> Json:
    """Give the agent once the controller hears it, or as it is when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found: Json = server.call("GET", f"/agents/{agent}")
        if found["liveness"] == "online" or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def put(host: Host, text: str, tmp_path: Path, name: str = SCRIPT) -> None:
    file = tmp_path / "script.sh"
    file.write_text(text, "utf-8")
    host.put(file, name, mode=0o700)


def upgrade(host: Host, released: Released, store: StoreServer) -> tuple[int, str]:
    """Bring a version to a host as an operator does who has its hash; gives code and words."""
    artifact = released.artifact
    sha256 = (released.dist / f"{artifact.tarball}.sha256").read_text().split()[0]
    words = [
        *("install", "beating", "--home", HOME, "--store", store.url),
        *("--version", released.spec.release_version),
        *("--tarball", artifact.platform or "any", artifact.tarball, sha256),
    ]
    done = host.run(["sudo", f"{HOME}/agentctl", *words], check=False, timeout=240)
    return done.returncode, done.stdout + done.stderr


def test_a_script_of_one_agents_ends_with_the_agent_online(
    controller: Server,
    host: Host,
    tmp_path: Path,
    store: StoreServer,
    versions: dict[str, Released],
) -> None:
    body = {"name": "Support", "type": "autonomous", "release": "beating"}
    agent = controller.call("POST", "/agents", body)["id"]
    made = controller.call("POST", f"/agents/{agent}/regenerate-credentials")
    put(host, made["installScript"], tmp_path)
    done = host.run([SCRIPT], check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert made["secret"] not in done.stdout + done.stderr
    found = online(controller, agent)
    assert (found["liveness"], found["version"]) == ("online", "1.0.0")

    # Its heartbeats decide what comes of an upgrade.
    code, said = upgrade(host, versions["1.1.0"], store)
    assert code == 0, said
    assert online(controller, agent)["version"] == "1.1.0"
    code, said = upgrade(host, versions["1.2.0"], store)
    assert code == 31, said
    assert "controller" in said
    status = host.run(["sudo", f"{HOME}/agentctl", "status", "--json"], check=False)
    assert '"version": "1.1.0"' in status.stdout
    assert online(controller, agent)["liveness"] == "online"


def test_the_script_for_many_hosts_ends_with_an_agent_online(
    controller: Server, host: Host, tmp_path: Path
) -> None:
    body = {"name": "fleet", "maxUses": 5, "agent": {"release": "beating", "tags": ["web"]}}
    token = controller.call("POST", "/enrollment-tokens", body)["token"]
    host.run(["curl", "-fsSLo", "enroll.sh", f"{controller.url}/enroll/script"])
    run = ["sh", "-c", "read -r AIWM_ENROLL_TOKEN; export AIWM_ENROLL_TOKEN; bash enroll.sh"]
    names = []
    for _ in range(2):  # once more: the host keeps its agent, and gets a new secret
        done = host.run(run, input=f"{token}\n", check=False, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        assert token not in done.stdout + done.stderr
        (row,) = controller.call("GET", "/agents?limit=10")["data"]
        names.append(row["id"])
        found = online(controller, row["id"])
        assert (found["liveness"], found["version"], found["tags"]) == ("online", "1.0.0", ["web"])
    assert names[0] == names[1]
