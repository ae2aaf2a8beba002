"""The documents' own calls and the script that they describe, at a controller with their prefix."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.need import need_command
from tests.support.served import Server, command, serving

TOP = Path(__file__).parent.parent.parent.parent
SCRIPT = TOP / "controller" / "scripts" / "test-agent-connection.sh"

# Word for word, but for the address and what stands for an id, a secret or a token.
REGENERATE = r"""
curl -X POST https://api.x-or.cloud/dev/aiwm/agents/{agentId}/regenerate-credentials \
  -H "Authorization: Bearer {userJWT}" | jq
"""
CONNECT = r"""
curl -X POST https://api.x-or.cloud/dev/aiwm/agents/{agentId}/connect \
  -H "Content-Type: application/json" \
  -d '{"secret":"624577f0190d1d1dd016f4d799769dd82faad2de180319b41df99550fb373c83"}' | jq
"""
HEARTBEAT = r"""
curl -X POST https://api.x-or.cloud/dev/aiwm/agents/{agentId}/heartbeat \
  -H "Authorization: Bearer {agentJWT}" \
  -d '{"status":"online","metrics":{"uptime":3600}}' | jq
"""
GUIDE_CONNECT = r"""
   curl -X POST http://localhost:3305/agents/{AGENT_ID}/connect \
     -H "Content-Type: application/json" \
     -d '{"secret": "your-secret"}'
"""
GUIDE_HEARTBEAT = r"""
   curl -X POST http://localhost:3305/agents/{AGENT_ID}/heartbeat \
     -H "Authorization: Bearer {JWT_TOKEN}" \
     -H "Content-Type: application/json" \
     -d '{"status": "online"}'
"""
GUIDE_WRONG = r"""
   curl -X POST http://localhost:3305/agents/{AGENT_ID}/connect \
     -H "Content-Type: application/json" \
     -d '{"secret": "wrong-secret"}'
"""
SECRETS = ("624577f0190d1d1dd016f4d799769dd82faad2de180319b41df99550fb373c83", "your-secret")
ADDRESSES = ("https://api.x-or.cloud/dev/aiwm", "http://localhost:3305")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    for name in ("curl", "jq"):
        need_command(name)
    folder = tmp_path_factory.mktemp("guide")
    database = f"sqlite:///{folder}/controller.db"
    with serving(database, folder / "log", "--path-prefix", "/dev/aiwm") as found:
        yield found


def said(
    text: str, server: Server, agent: str, *, secret: str = "", token: str = "", path: str = ""
) -> Any:
    """Run a call of the documents and give the JSON that it prints."""
    for address in ADDRESSES:
        text = text.replace(address, server.url)
    for each in SECRETS:
        text = text.replace(each, secret)
    for name in ("{agentId}", "{AGENT_ID}"):
        text = text.replace(name, agent)
    for name in ("{userJWT}", "{agentJWT}", "{JWT_TOKEN}"):
        text = text.replace(name, token)
    done = subprocess.run(
        ["bash", "-c", text.replace("/connect ", f"/connect{path} ")],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_calls_of_both_documents(server: Server) -> None:
    agent = server.call("POST", "/agents", {"name": "My Agent", "type": "autonomous"})["id"]
    issued = said(REGENERATE, server, agent, token=server.token)
    assert {"agentId", "secret", "envConfig", "installScript"} <= issued.keys()
    assert f"AIWM_BASE_URL={server.url}\n" in issued["envConfig"]
    secret = issued["secret"]
    plan = said(CONNECT, server, agent, secret=secret)
    assert plan["mcpServers"]["cbm-tools"]["url"] == f"{server.url}/mcp"
    beat = said(HEARTBEAT, server, agent, token=plan["accessToken"])
    assert (beat["acknowledged"], beat["nextHeartbeat"]) == (True, 60)
    guide = said(GUIDE_CONNECT, server, agent, secret=secret, path="?shape=legacy")
    assert set(guide) == {"token", "instruction", "tools", "agent", "settings"}
    assert said(GUIDE_HEARTBEAT, server, agent, token=guide["token"])["success"] is True
    assert said(GUIDE_WRONG, server, agent)["statusCode"] == 401
    found = server.call("GET", f"/agents/{agent}")
    assert found["connectionCount"] == 2
    assert found["metadata"]["lastMetrics"] == {"uptime": 3600}


def test_the_connection_script(server: Server) -> None:
    environment = {"AIWM_BASE_URL": server.url, "AIWM_USER_TOKEN": server.token}
    done = subprocess.run(
        [SCRIPT], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line[:2] == "ok"]
    kinds = [step.split()[1] for step in steps if step.startswith("create")]
    assert kinds == ["instruction", "tool", "tool", "node", "agent"]
    assert steps[5:] == [
        "regenerate credentials",
        "connect",
        "connect, in the guide's own shape",
        "heartbeat",
        "agent details",
        "config",
        "disconnect",
    ]
    assert done.stdout.splitlines()[-1] == f"All is well at {server.url}."
    left = server.call("GET", "/agents?search=connection-test")["data"]
    assert left == [], "it removes what it made"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"AIWM_USER_TOKEN": ""}, "AIWM_USER_TOKEN is not set"),
        ({"AIWM_USER_TOKEN": "a.b.c"}, "POST /instructions: 401"),
        ({"AIWM_BASE_URL": "http://127.0.0.1:1"}, "no answer"),
    ],
)
def test_the_connection_script_fails_aloud(
    server: Server, changes: dict[str, str], why: str
) -> None:
    environment = {"AIWM_BASE_URL": server.url, "AIWM_USER_TOKEN": server.token} | changes
    done = subprocess.run(
        [SCRIPT], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert why in done.stderr


def test_seeding_writes_the_download_address(server: Server) -> None:
    key = "agent.download.baseUrl"
    server.call("DELETE", f"/configurations/{key}")
    written = command("seed", database=server.database).split()
    assert key in written
    assert command("seed", database=server.database) == "", "what is set stays"
    found = server.call("GET", f"/configurations?key={key}")
    assert found["value"] == "https://cdn.x-or.cloud/agents"


def test_an_error_page_is_no_script(server: Server, tmp_path: Path) -> None:
    """What the documents' wget would leave behind, where it does not look at the status."""
    need_command("wget")
    page = tmp_path / "install-agent.sh"
    url = f"{server.url}/agents/{'0' * 24}/install-script"
    fetch = ["wget", "--quiet", "--content-on-error", "-O", str(page), url]
    assert subprocess.run(fetch, check=False).returncode == 8
    assert "there is no such agent" in page.read_text()
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(["bash", page], cwd=empty, capture_output=True, check=False)
    assert done.returncode != 0
    assert list(empty.iterdir()) == []
