"""A real client and a real controller: from the start to a goodbye, and what comes between."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.xora.conftest import Managed
from tests.support.xora.process import running


def test_it_connects_beats_and_says_goodbye(managed: Managed) -> None:
    server = managed.server
    instruction = server.call(
        "POST", "/instructions", {"systemPrompt": "Be kind.", "guidelines": ["Be brief"]}
    )
    tool = server.call("POST", "/tools", {"name": "search-orders", "type": "mcp"})
    deployment = server.call(
        "POST", "/deployments", {"provider": "anthropic", "model": "claude-x", "name": "d"}
    )
    managed.make(
        instructionId=instruction["id"],
        allowedToolIds=[tool["_id"]],
        deploymentId=deployment["id"],
        settings={"claude_maxTurns": 0, "resume": False},
    )
    (managed.home / "state.json").write_text(
        json.dumps({"outcome": "running", "version": "1.1.0", "previous": "1.0.0", "reason": "ok"})
    )
    with running(managed.home, AIWM_RELEASE_VERSION="1.1.0") as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy")
        agent.until(lambda: managed.shown()["lastHeartbeatAt"], "a heartbeat")
        status, health = agent.health()
        assert (status, health["status"]) == (200, "ok")
        assert health["aiwm"]["connection"] == "connected"
        assert health["version"] == "1.1.0"
        assert health["brain"]["model"] == "anthropic/claude-x"
        mind = agent.calls("configure")[0]
        assert mind["instruction"] == "Be kind.\n\n## Guidelines\n1. Be brief"
        assert mind["max_turns"] == 0
        assert mind["resume"] is False
        assert mind["allowed_tools"][-1] == "search-orders"
        assert mind["model"]["base_url"].endswith(f"/deployments/{deployment['id']}/inference")
        assert mind["model"]["key"]["value"].count(".") == 2
        assert [each["name"] for each in mind["mcp_servers"]] == ["cbm-tools"]
        shown = managed.shown()
        assert shown["liveness"] == "online"
        assert shown["version"] == "1.1.0"
        assert shown["configVersionSeen"] == shown["configVersion"]
        assert shown["lastUpgrade"]["fromVersion"] == "1.0.0"
        assert {"uptime", "memoryUsage", "messageCount", "conversationCount"} == set(
            shown["metadata"]["lastMetrics"]
        )
        assert agent.metric("aiwm_connection_success_total") == 1
        assert agent.metric("aiwm_heartbeat_success_total") >= 1
        assert agent.end() == 0
    assert [each["call"] for each in agent.brain][-2:] == ["save", "close"]
    shown = managed.shown()
    assert (shown["status"], shown["lastDisconnectReason"]) == ("inactive", "shutdown")
    log = managed.home / "logs" / "agent.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    _no_secret(log.read_text() + agent.log, managed.secret, mind["model"]["key"]["value"])
    assert '"stopped"' in log.read_text()


def _no_secret(text: str, *secrets: str) -> None:
    for secret in secrets:
        assert secret not in text
        assert secret[:12] not in text.replace("eyJhbGciOiJI", "")


def test_a_changed_configuration_comes_by_a_heartbeat(managed: Managed) -> None:
    managed.make(settings={"discord_token": "first-token", "discord_channelIds": ["1"]})
    with running(managed.home) as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy")
        agent.until((managed.home / "discord.sock").exists, "discord")
        assert agent.say("hello") == "you said: hello"
        managed.change(settings={"claude_model": "claude-y", "discord_token": "first-token"})
        agent.until(lambda: len(agent.calls("configure")) == 2, "configured anew")
        assert agent.calls("configure")[1]["model"]["name"] == "claude-y"
        wanted = managed.shown()["configVersion"]
        agent.until(lambda: managed.shown()["configVersionSeen"] == wanted, "acknowledged")
        managed.change(settings={"claude_model": "claude-z", "discord_token": "first-token"})
        assert agent.say("/reload") == "Reloaded."
        assert agent.calls("configure")[2]["model"]["name"] == "claude-z"
        assert "connected" in agent.say("/status")
        assert agent.metric("aiwm_config_update_total") == 3
        assert agent.end() == 0


def test_a_second_signal_ends_it_at_once(managed: Managed) -> None:
    managed.make()
    with running(managed.home, SLOW_SAVE="30") as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy")
        agent.send(signal.SIGTERM)
        agent.until(lambda: agent.calls("save"), "saving")
        assert agent.end(signal.SIGINT) == 128 + signal.SIGINT


def test_a_slow_goodbye_is_bounded(managed: Managed) -> None:
    managed.make()
    with running(managed.home, SLOW_SAVE="600", AIWM_SHUTDOWN_SECONDS="2") as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy")
        assert agent.end() == 0
    assert managed.shown()["lastDisconnectReason"] == "shutdown"
    assert agent.calls("close")


def test_a_model_that_hangs_does_not_keep_it(managed: Managed) -> None:
    managed.make(settings={"discord_token": "a-token"})
    with running(managed.home, AIWM_SHUTDOWN_SECONDS="2") as agent:
        agent.until((managed.home / "discord.sock").exists, "discord")
        with socket.socket(socket.AF_UNIX) as room:
            room.connect(str(managed.home / "discord.sock"))
            room.sendall(b"slow\n")
            agent.until(lambda: agent.calls("answer"), "asked")
            began = time.monotonic()
            assert agent.end() == 0
        assert time.monotonic() - began < 15
    assert managed.shown()["lastDisconnectReason"] == "shutdown"
    assert any(each["event"] == "stopped" for each in agent.lines)


def test_without_a_controller_it_goes_by_local_files(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AIWM_ENABLED=false\nCLAUDE_MODEL=claude-l\n")
    (tmp_path / "instruction.md").write_text("Be local.")
    with running(tmp_path) as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy")
        assert agent.health()[1]["aiwm"]["connection"] == "off"
        assert agent.calls("configure")[0]["instruction"] == "Be local."
        (tmp_path / "instruction.md").write_text("Be elsewhere.")
        (tmp_path / ".env").write_text("AIWM_ENABLED=false\nCLAUDE_MODEL=claude-m\n")
        agent.send(signal.SIGHUP)
        agent.until(lambda: len(agent.calls("configure")) == 2, "reloaded")
        mind = agent.calls("configure")[1]
        assert (mind["instruction"], mind["model"]["name"]) == ("Be elsewhere.", "claude-m")
        assert agent.end() == 0


def test_variables_that_cannot_be_read_do_not_end_it(tmp_path: Path) -> None:
    """Nor do they end a library of the brain's that would read the file by itself."""
    (tmp_path / ".env").write_bytes(b"FASTMCP_LOG_LEVEL=\xff")
    script = "from xora_agent.cli import multi_provider; multi_provider()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "AIWM_HEALTH_PORT": "0"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = ""
        for line in process.stderr or ():
            said += line
            if "the local configuration can't be used" in line:
                break
        process.terminate()
        said += process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert "no UTF-8 text" in said
