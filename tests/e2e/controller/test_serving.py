"""The controller as a process: what the guide's curl calls get, and what a kill loses."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.need import need_command
from tests.support.postgres import Cluster
from tests.support.served import Server, command, serving

# The guide's own calls, with its placeholders as variables of the shell.
CURL_FLOW = """
set -euo pipefail
curl() { command curl --silent --show-error --max-time 60 --write-out '\\n%{http_code}\\n' "$@"; }
curl -X POST "$URL/agents/$AGENT_ID/regenerate-credentials" \\
  -H "Authorization: Bearer $USER_JWT" >"$OUT/regenerate"
SECRET=$(head -n 1 "$OUT/regenerate" | jq -r .secret)
curl -X POST "$URL/agents/$AGENT_ID/connect" \\
  -H "Content-Type: application/json" \\
  -d "{\\"secret\\": \\"$SECRET\\"}" >"$OUT/connect"
JWT_TOKEN=$(head -n 1 "$OUT/connect" | jq -r .token)
curl -X POST "$URL/agents/$AGENT_ID/heartbeat" \\
  -H "Authorization: Bearer $JWT_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"status": "online"}' >"$OUT/heartbeat"
curl -X POST "$URL/agents/$AGENT_ID/heartbeat" \\
  -H "Authorization: Bearer $JWT_TOKEN" \\
  -d '{"status":"online","metrics":{"uptime":3600}}' >"$OUT/heartbeat-without-a-type"
curl -X POST "$URL/agents/$AGENT_ID/connect" \\
  -H "Content-Type: application/json" \\
  -d '{"secret": "wrong-secret"}' >"$OUT/wrong"
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_the_flow_of_the_guide(database: str, log: Path, tmp_path: Path) -> None:
    for name in ("curl", "jq"):
        need_command(name)
    with serving(database, log, "--path-prefix", "") as server:
        instruction = server.call(
            "POST", "/instructions", {"systemPrompt": "You are helpful.", "guidelines": ["Be kind"]}
        )
        tool = server.call("POST", "/tools", {"name": "read-file", "type": "builtin"})
        node = server.call("POST", "/nodes", {"name": "node-1", "role": ["worker"]})
        agent = server.call(
            "POST",
            "/agents",
            {
                "name": "My Agent",
                "type": "autonomous",
                "instructionId": instruction["id"],
                "allowedToolIds": [tool["_id"]],
                "nodeId": node["id"],
                "settings": {"claudeModel": "claude-3-5-haiku-latest", "maxTurns": 100},
            },
        )
        out = tmp_path / "out"
        out.mkdir()
        values = {"URL": server.url, "OUT": str(out), "AGENT_ID": agent["id"]}
        subprocess.run(
            ["bash", "-c", CURL_FLOW],
            env={**os.environ, **values, "USER_JWT": server.token},
            check=True,
        )
        said = {file.name: file.read_text().rsplit("\n", 2)[:2] for file in out.iterdir()}
        statuses = {name: code for name, (_, code) in said.items()}
        assert statuses == {
            "regenerate": "200",
            "connect": "200",
            "heartbeat": "200",
            "heartbeat-without-a-type": "200",
            "wrong": "401",
        }
        connect = json.loads(said["connect"][0])
        assert connect["instructionText"] == "You are helpful.\n\n## Guidelines\n1. Be kind"
        assert [each["name"] for each in connect["tools"]] == ["read-file"]
        assert json.loads(said["heartbeat"][0])["success"] is True
        found = server.call("GET", f"/agents/{agent['id']}")
        assert found["lastConnectedAt"]
        assert found["lastHeartbeatAt"]
        assert found["metadata"]["lastMetrics"] == {"uptime": 3600}
        assert server.stop() == 0


class Beating(threading.Thread):
    """Sends heartbeats of one agent, each with a number, and keeps the last one acknowledged."""

    def __init__(self, server: Server, agent: str, token: str) -> None:
        super().__init__(daemon=True)
        self._path = f"{server.url}/agents/{agent}/heartbeat"
        self._token = token
        self.agent = agent
        self.acknowledged = 0
        self.ended = threading.Event()

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx2.Client(headers=headers, timeout=30) as client:
            while not self.ended.is_set():
                number = self.acknowledged + 1
                body = {"status": "online", "version": f"0.0.{number}"}
                try:
                    answer = client.post(self._path, json=body)
                except httpx2.HTTPError:
                    return
                if answer.status_code == 200:
                    self.acknowledged = number


def test_a_kill_loses_nothing_that_was_acknowledged(database: str, log: Path) -> None:
    with serving(database, log) as server:
        agents = [server.connected(f"agent {number}") for number in range(8)]
        for _ in range(3):
            beating = [Beating(server, agent, token) for agent, _, token in agents]
            for each in beating:
                each.start()
            made: list[str] = []
            with ThreadPoolExecutor(1) as pool:
                creating = pool.submit(_create_until_it_fails, server, made)
                while min(each.acknowledged for each in beating) < 10 or len(made) < 3:
                    assert all(each.is_alive() for each in beating)
                    threading.Event().wait(0.02)
                server.kill()
                creating.result()
            for each in beating:
                each.join()
            server.start()
            for each in beating:
                found = server.call("GET", f"/agents/{each.agent}/heartbeats")["heartbeats"]
                kept = int(found[0]["version"].rsplit(".", 1)[1])
                assert kept in {each.acknowledged, each.acknowledged + 1}
            for agent in made:
                assert server.call("GET", f"/agents/{agent}")["id"] == agent
        _, secret, token = agents[0]
        assert server.call("GET", f"/agents/{agents[0][0]}/config", token=token)["agent"]
        assert secret


def _create_until_it_fails(server: Server, made: list[str]) -> None:
    while True:
        try:
            body = {"name": f"made {len(made)}"}
            made.append(server.call("POST", "/agents", body)["id"])
        except httpx2.HTTPError:
            return


def test_postgresql_may_be_gone_for_a_while(postgres: Cluster, log: Path) -> None:
    with serving(postgres.database("gone"), log) as server:
        agent, _, token = server.connected("agent")
        path = f"{server.url}/agents/{agent}/heartbeat"
        headers = {"Authorization": f"Bearer {token}"}
        body = {"status": "online"}
        postgres.stop()
        try:
            answer = httpx2.post(path, json=body, headers=headers, timeout=60)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            assert httpx2.get(f"{server.url}/health", timeout=60).status_code == 503
        finally:
            postgres.start()
        assert httpx2.post(path, json=body, headers=headers, timeout=60).status_code == 200


def test_two_workers_count_every_heartbeat(postgres: Cluster, log: Path) -> None:
    with serving(postgres.database("workers"), log, "--workers", "2") as server:
        agent, _, token = server.connected("agent")

        def beat(number: int) -> int:
            body = {"status": "online", "version": str(number)}
            call: Any = server.call("POST", f"/agents/{agent}/heartbeat", body, token)
            return int(call["nextHeartbeat"])

        with ThreadPoolExecutor(8) as pool:
            assert len(list(pool.map(beat, range(80)))) == 80
        kept = server.call("GET", f"/agents/{agent}/heartbeats")["heartbeats"]
        assert sorted(int(each["version"]) for each in kept) == list(range(80))
        for _ in range(10):  # whichever of them answers
            shown = httpx2.get(f"{server.url}/metrics", timeout=60).text.splitlines()
            assert "aiwm_heartbeats_total 80.0" in shown
            assert 'aiwm_agents{liveness="online"} 1.0' in shown
        assert server.stop() == 0
        assert '"event": "stopped"' in log.read_text("utf-8")


def test_the_command_line(database: str) -> None:
    made = json.loads(
        command(
            *("init", "--email", "Owner@Example.com", "--password-stdin", "--json"),
            database=database,
            stdin="a long password\n",
        )
    )
    assert made["email"] == "owner@example.com"
    assert command("seed", database=database) == ""
    command("user", "add", "--email", "ann@example.com", "--role", "editor", database=database)
    command(
        *("user", "password", "--email", "ann@example.com", "--password-stdin"),
        database=database,
        stdin="another password\n",
    )
    assert command("token", "--email", "ann@example.com", database=database).count(".") == 2
    command("migrate", database=database)


def test_a_password_is_refused_in_arguments() -> None:
    with pytest.raises(AssertionError, match="can be read by all users"):
        command("seed", database="postgresql://me:secret@127.0.0.1/aiwm")


def test_a_database_that_is_not_set_up_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="aiwm-controller init"):
        command("serve", database=f"sqlite:///{tmp_path}/none.db")


def test_it_says_where_it_serves(tmp_path: Path, log: Path) -> None:
    file = tmp_path / "controller.db"
    with serving(f"sqlite:///{file}", log, "--path-prefix", "/dev/aiwm") as server:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [line["address"] for line in lines if line["event"] == "serving"] == [
            f"{server.url}/"
        ]
        assert "others can read" not in log.read_text()
        server.kill()
        file.chmod(0o644)
        server.start()
        assert f"chmod o= {file}" in log.read_text()
        assert server.stop() == 0
        assert json.loads(log.read_text().splitlines()[-1])["event"] == "stopped"


def test_the_level_of_logs_comes_from_the_environment(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIWM_LOG_LEVEL", "warning")
    with serving(f"sqlite:///{tmp_path}/controller.db", log):
        assert "serving" not in log.read_text()
