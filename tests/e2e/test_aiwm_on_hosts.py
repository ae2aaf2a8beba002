"""The controller and an agent of it as our own releases, by our own roles, on real hosts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.ansible import Fleet, fleet, install_collection
from tests.support.hosts import BootHost, Host
from tests.support.ours import build_ours
from tests.support.releases import Released, publish
from tests.support.serve import StoreServer
from toolkit.install_script import Choices
from toolkit.order import offering

pytestmark = [pytest.mark.hosts, pytest.mark.network, pytest.mark.one_suite]
Json = dict[str, Any]
OWNER = "owner@example.com"


@pytest.fixture(scope="module")
def controllers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Released]:
    folders = {version: tmp_path_factory.mktemp("controller") for version in ("0.1.0", "0.1.1")}
    return {
        version: build_ours("aiwm-controller", folder, version, watch=3)
        for version, folder in folders.items()
    }


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return build_ours("xora-vercel-agent", tmp_path_factory.mktemp("agent"), watch=3)


@pytest.fixture
def two(tmp_path: Path, boot_host: BootHost) -> Iterator[Fleet]:
    collections = install_collection(tmp_path)
    with fleet(tmp_path, collections, [boot_host(), boot_host()]) as found:
        yield found


def write(
    two: Fleet, store: StoreServer, controller: Released, agent: Released, deployment: str = ""
) -> None:
    """Write the inventory: host1 has the controller, host2 the agent."""
    two.write_groups(
        {
            "controllers": (
                ["host1"],
                {
                    **offering(controller.spec, controller.dist, Choices(store.url)),
                    "controller_host_email": OWNER,
                    "controller_host_password": "correct horse battery",
                    "controller_host_listen": "0.0.0.0",
                    "controller_host_environment": {"AIWM_NEXT_HEARTBEAT": "1"},
                },
            ),
            "agents": (
                ["host2"],
                {
                    **offering(agent.spec, agent.dist, Choices(store.url)),
                    "agent_environment": {"AIWM_ALLOW_HTTP": "true", "AGENT_NAME": "Support"},
                    "aiwm_agent_controller": f"http://{two.hosts['host1'].address}:3305",
                    "aiwm_agent_token": "{{ hostvars['host1'].controller_host_token }}",
                    "aiwm_agent_tags": ["web"],
                    "aiwm_agent_fields": {"deploymentId": deployment},
                },
            ),
        }
    )


class Asked:
    """The controller on host1, asked as its owner."""

    def __init__(self, host: Host) -> None:
        self.url = f"http://{host.address}:3305"
        home = "/opt/aiwm-controller"
        program = f"{home}/current/venv/bin/aiwm-controller"
        words = ["runuser", "-u", "aiwm-controller", "--", program, "token", "--email", OWNER]
        argv = [f"{home}/agentctl", "exec", "--home", home, "--", *words]
        self.token = host.run(["sh", "-c", 'cd / && exec "$@"', "sh", *argv], user="root").stdout

    def __call__(self, path: str, body: object = None) -> Json:
        headers = {"Authorization": f"Bearer {self.token.strip()}"}
        method = "GET" if body is None else "POST"
        answer = httpx2.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=60)
        assert answer.status_code < 300, answer.text
        found: Json = answer.json()
        return found

    def online(self) -> Json:
        """Give the one agent once the controller hears it."""
        deadline = time.monotonic() + 60
        while True:
            (found,) = self("/agents?limit=10")["data"]
            if found["liveness"] == "online" or time.monotonic() > deadline:
                return dict(found)
            time.sleep(0.5)


def test_roles_run_the_controller_and_enroll_hosts(
    two: Fleet, store: StoreServer, controllers: dict[str, Released], agent: Released
) -> None:
    for released in (*controllers.values(), agent):
        publish(released, store)
    write(two, store, controllers["0.1.0"], agent)
    made = two.play("controller", "-vvv")
    assert made.code == 0, made.output
    ask = Asked(two.hosts["host1"])
    model = {"name": "A model", "provider": "openai", "model": "gpt-5", "apiKey": "sk-test"}
    deployment = ask("/deployments", model)["id"]
    write(two, store, controllers["0.1.0"], agent, deployment)
    first = two.play("controller enroll", "-vvv")
    assert first.code == 0, first.output
    host = two.hosts["host2"]
    env = host.read("/opt/xora-agent/.env")
    secret = next(line for line in env.splitlines() if line.startswith("AIWM_AGENT_SECRET="))
    secret = secret.partition("=")[2].strip("'\"")
    assert len(secret) == 64
    for hidden in (secret, "correct horse battery", ask.token.split(".")[0] + "."):
        assert hidden not in made.output + first.output
    found = ask.online()
    assert (found["name"], found["liveness"], found["version"], found["tags"]) == (
        "host2",
        "online",
        agent.spec.release_version,
        ["web"],
    )

    again = two.play("controller enroll")
    assert again.code == 0, again.output
    assert again.output.count("changed=0") >= 2, again.output
    assert host.read("/opt/xora-agent/.env") == env

    # A new version of the controller: agents wait for it and come back by themselves.
    write(two, store, controllers["0.1.1"], agent, deployment)
    upgraded = two.play("controller")
    assert upgraded.code == 0, upgraded.output
    assert ask("/health")["version"] == "0.1.1"
    assert ask.online()["id"] == found["id"]
    status = host.run(["sudo", "/opt/xora-agent/agentctl", "status", "--json"]).stdout
    assert json.loads(status)["healthy"] is True
