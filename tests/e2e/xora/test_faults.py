"""What becomes of an agent whose controller refuses it, forgets it, or is gone."""

from __future__ import annotations

import signal

from tests.e2e.xora.conftest import Managed
from tests.support.xora.process import running


def test_exchanged_credentials_are_taken_from_the_file(managed: Managed) -> None:
    managed.make(settings={"discord_token": "a-token"})
    with running(managed.home) as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy")
        agent.until((managed.home / "discord.sock").exists, "discord")
        managed.rotate()
        agent.until(lambda: agent.connection() == "fallback", "refused")
        status, health = agent.health()
        assert (status, health["status"]) == (200, "fallback")
        assert "refuses this agent" in health["aiwm"]["error"]
        assert agent.say("still there?") == "you said: still there?"
        assert agent.metric("aiwm_connection_failure_total") >= 1
        assert any("the token is refused" in each["event"] for each in agent.lines)
        beats = agent.metric("aiwm_heartbeat_success_total")
        managed.write()
        agent.until(lambda: agent.connection() == "connected", "connected anew")
        agent.until(
            lambda: agent.metric("aiwm_heartbeat_success_total") > beats, "heartbeats again"
        )
        assert agent.end() == 0
    assert len(agent.calls("configure")) == 1


def test_variables_of_systemd_follow_the_file_too(managed: Managed) -> None:
    managed.make()
    given = {
        "AIWM_ENABLED": "true",
        "AIWM_BASE_URL": managed.server.url,
        "AIWM_AGENT_ID": managed.id,
        "AIWM_AGENT_SECRET": managed.secret,
    }
    with running(managed.home, **given) as agent:
        agent.until(lambda: agent.connection() == "connected", "connected")
        managed.rotate()
        managed.write()
        agent.until(lambda: managed.shown()["connectionCount"] == 2, "connected anew")
        assert agent.end() == 0


def test_a_suspended_agent_goes_on_alone_until_it_is_let_in(managed: Managed) -> None:
    managed.make()
    with running(managed.home) as agent:
        agent.until(lambda: agent.connection() == "connected", "connected")
        managed.change(status="suspended")
        agent.until(lambda: agent.connection() == "fallback", "refused")
        assert "suspended" in agent.log
        managed.change(status="inactive")
        agent.until(lambda: agent.connection() == "connected", "let in again")
        assert agent.end() == 0


def test_a_removed_agent_stops_its_heartbeats(managed: Managed) -> None:
    managed.make()
    with running(managed.home) as agent:
        agent.until(lambda: agent.connection() == "connected", "connected")
        managed.server.call("DELETE", f"/agents/{managed.id}")
        agent.until(lambda: agent.connection() == "removed", "removed")
        assert any(each["level"] == "critical" for each in agent.lines)
        failed = agent.metric("aiwm_heartbeat_failure_total")
        agent.until(lambda: agent.metric("aiwm_connection_failure_total") >= 2, "two more tries")
        assert agent.metric("aiwm_heartbeat_failure_total") == failed
        assert agent.health()[0] == 200
        assert agent.end() == 0


def test_a_controller_that_is_killed_and_comes_back(managed: Managed) -> None:
    managed.make(settings={"discord_token": "a-token"})
    with running(managed.home) as agent:
        agent.until(lambda: agent.connection() == "connected", "connected")
        agent.until((managed.home / "discord.sock").exists, "discord")
        managed.server.kill()
        agent.until(lambda: agent.connection() == "unreachable", "unreachable")
        assert agent.health()[1]["status"] == "fallback"
        assert agent.say("hello") == "you said: hello"
        managed.server.start()
        agent.until(lambda: agent.connection() == "connected", "heard again")
        assert managed.shown()["connectionCount"] == 1
        assert agent.end() == 0


def test_it_starts_while_the_controller_is_away(managed: Managed) -> None:
    managed.make()
    managed.server.kill()
    (managed.home / "instruction.md").write_text("Be local.")
    with running(managed.home) as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy on local files")
        status, health = agent.health()
        assert (status, health["status"]) == (200, "fallback")
        assert agent.calls("configure")[0]["instruction"] == "Be local."
        managed.server.start()
        agent.until(lambda: agent.connection() == "connected", "connected")
        agent.until(lambda: len(agent.calls("configure")) == 2, "configured by the controller")
        assert agent.end() == 0
    assert managed.shown()["lastDisconnectReason"] == "shutdown"


def test_it_ends_while_the_controller_is_away(managed: Managed) -> None:
    managed.make()
    with running(managed.home) as agent:
        agent.until(lambda: agent.connection() == "connected", "connected")
        managed.server.kill()
        assert agent.end(signal.SIGINT) == 0
        assert agent.calls("save")
    managed.server.start()


def test_a_configuration_that_cannot_be_used_leaves_the_one_before(managed: Managed) -> None:
    managed.make(settings={"discord_token": "a-token"})
    with running(managed.home) as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy")
        agent.until((managed.home / "discord.sock").exists, "discord")
        before = managed.shown()["configVersion"]
        managed.change(settings={"discord_token": "a-token", "claude_maxTurns": "many"})
        agent.until(lambda: agent.health()[1]["brain"]["error"], "told")
        said = agent.say("/reload")
        assert "claude_maxTurns of the controller can't be used" in said
        assert "many" not in agent.log
        assert managed.shown()["configVersionSeen"] == before
        managed.change(settings={"discord_token": "a-token", "claude_maxTurns": "7"})
        agent.until(lambda: len(agent.calls("configure")) == 2, "configured")
        assert agent.calls("configure")[1]["max_turns"] == 7
        agent.until(lambda: not agent.health()[1]["brain"]["error"], "well again")
        assert agent.end() == 0
