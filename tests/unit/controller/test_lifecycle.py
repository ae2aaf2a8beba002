"""What agents call, as the two documents describe it."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.aiwm import Running, controller, sqlite_settings


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_connect_gives_the_whole_configuration(running: Running) -> None:
    instruction = running.owner.ok(
        "POST",
        "/instructions",
        {"systemPrompt": "You are helpful...", "guidelines": ["Be polite", "Be accurate"]},
    )
    tool = running.owner.ok(
        "POST",
        "/tools",
        {
            "name": "read-file",
            "type": "builtin",
            "schema": {"inputSchema": {"type": "object"}},
        },
    )
    deployment = running.owner.ok(
        "POST",
        "/deployments",
        {"provider": "openai", "model": "gpt-4-turbo", "apiEndpoint": "https://api.example.com"},
    )
    agent = running.agent(
        instructionId=instruction["id"],
        allowedToolIds=[tool["_id"]],
        deploymentId=deployment["id"],
        settings={"maxTurns": 5, "discord": {"token": "d-t", "channelIds": ["1"]}, "own": [1]},
    )
    secret = running.credentials(agent["id"])["secret"]
    answer = running.nobody.ok("POST", f"/agents/{agent['id']}/connect", {"secret": secret})

    assert answer["accessToken"] == answer["token"]
    assert (answer["expiresIn"], answer["refreshToken"], answer["refreshExpiresIn"]) == (
        86400,
        None,
        0,
    )
    assert answer["tokenType"] == "bearer"
    server = answer["mcpServers"]["cbm-tools"]
    assert server["type"] == "http"
    assert server["url"].endswith("/mcp")
    assert server["headers"] == {"Authorization": f"Bearer {answer['token']}"}
    assert answer["instruction"] == {
        "id": instruction["id"],
        "systemPrompt": "You are helpful...",
        "guidelines": ["Be polite", "Be accurate"],
    }
    merged = "You are helpful...\n\n## Guidelines\n1. Be polite\n2. Be accurate"
    assert answer["instructionText"] == merged
    assert [each["name"] for each in answer["tools"]] == ["read-file"]
    assert answer["tools"][0]["schema"] == {"inputSchema": {"type": "object"}, "outputSchema": {}}
    assert answer["agent"] == {
        "id": agent["id"],
        "name": "Agent One",
        "orgId": agent["orgId"],
    }
    assert answer["settings"]["claude_maxTurns"] == 5
    assert answer["settings"]["maxTurns"] == 5
    assert answer["settings"]["discord_channelIds"] == ["1"]
    assert answer["settings"]["discord"] == {"token": "d-t", "channelIds": ["1"]}
    assert answer["settings"]["own"] == [1]
    assert answer["deployment"]["provider"] == "openai"
    inference = f"/deployments/{deployment['id']}/inference"
    assert answer["deployment"]["baseAPIEndpoint"].endswith(inference)

    legacy = running.nobody.ok(
        "POST", f"/agents/{agent['id']}/connect?shape=legacy", {"secret": secret}
    )
    assert set(legacy) == {"token", "instruction", "tools", "agent", "settings"}
    assert legacy["instruction"] == merged
    assert legacy["settings"] == {
        "maxTurns": 5,
        "discord": {"token": "d-t", "channelIds": ["1"]},
        "own": [1],
    }


def test_the_token_says_what_the_plan_lists(running: Running) -> None:
    agent, caller = running.connected(role="organization.editor")
    found = claims(caller.token)
    assert found["exp"] - found["iat"] == 86400
    del found["exp"], found["iat"], found["generation"]
    assert found == {
        "sub": agent["id"],
        "username": f"agent:{agent['id']}",
        "status": "active",
        "roles": ["organization.editor"],
        "orgId": agent["orgId"],
        "groupId": "",
        "agentId": agent["id"],
        "userId": "",
        "type": "agent",
    }


def test_connections_are_counted(running: Running) -> None:
    agent, _ = running.connected()
    found = running.owner.ok("GET", f"/agents/{agent['id']}")
    assert found["connectionCount"] == 1
    assert found["lastConnectedAt"] is not None
    assert found["status"] == "active"


def test_connect_refuses(running: Running) -> None:
    agent = running.agent()
    path = f"/agents/{agent['id']}/connect"
    assert running.nobody.status("POST", "/agents/none/connect", {"secret": "x"}) == 404
    assert running.nobody.status("POST", path, {"secret": ""}) == 422
    assert "no secret configured" in running.nobody("POST", path, {"secret": "x"}).text
    secret = running.credentials(agent["id"])["secret"]
    assert running.nobody.status("POST", path, {"secret": "wrong"}) == 401
    assert running.nobody.status("POST", path, {"secret": "w" * 200}) == 401
    running.owner.ok("PUT", f"/agents/{agent['id']}", {"status": "suspended"})
    assert running.nobody.status("POST", path, {"secret": secret}) == 401
    running.owner.ok("DELETE", f"/agents/{agent['id']}")
    assert running.nobody.status("POST", path, {"secret": secret}) == 404


def test_a_heartbeat_is_kept_and_answered(running: Running) -> None:
    agent, caller = running.connected()
    path = f"/agents/{agent['id']}/heartbeat"
    body = {
        "status": "busy",
        "metrics": {"cpu": 45, "memoryUsage": 12.5, "mine": {"a": 1}},
        "version": "1.2.0",
        "configVersion": 1,
        "lastUpgrade": {"outcome": "committed", "version": "1.2.0"},
    }
    answer = caller.ok("POST", path, body)
    assert answer == {
        "success": True,
        "acknowledged": True,
        "nextHeartbeat": 60,
        "configVersion": 1,
    }
    found = running.owner.ok("GET", f"/agents/{agent['id']}")
    assert found["status"] == "busy"
    assert found["liveness"] == "online"
    assert found["version"] == "1.2.0"
    assert found["configVersionSeen"] == 1
    assert found["lastUpgrade"]["outcome"] == "committed"
    assert found["metadata"]["lastMetrics"] == body["metrics"]

    caller.ok("POST", path, {"status": "idle"})
    found = running.owner.ok("GET", f"/agents/{agent['id']}")
    assert found["status"] == "active"
    assert found["version"] == "1.2.0", "what a heartbeat leaves out stays"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "dead"},
        {"status": "online", "metrics": {"cpu": "45"}},
        {"status": "online", "metrics": {"cpu": True}},
        {"status": "online", "metrics": {"x": "y" * 9000}},
        {"status": "online", "version": "1\n2"},
        {"status": "online", "configVersion": -1},
    ],
)
def test_a_heartbeat_that_is_none(running: Running, body: object) -> None:
    agent, caller = running.connected()
    assert caller.status("POST", f"/agents/{agent['id']}/heartbeat", body) == 422


def test_who_may_send_a_heartbeat(running: Running) -> None:
    agent, caller = running.connected()
    other, _ = running.connected(name="Other")
    body = {"status": "online"}
    path = f"/agents/{agent['id']}/heartbeat"
    assert running.nobody.status("POST", path, body) == 401
    assert running.as_("a.b.c").status("POST", path, body) == 401
    assert running.owner.status("POST", path, body) == 401, "a user is no agent"
    assert caller.status("POST", f"/agents/{other['id']}/heartbeat", body) == 403
    assert caller.status("GET", "/agents") == 401, "an agent is no user"
    running.watch.later(hours=-25)
    _, early = running.connected(name="Early")
    running.watch.later(hours=25)
    expired = early("POST", f"/agents/{claims(early.token)['sub']}/heartbeat", body)
    assert expired.status_code == 401
    assert expired.json()["message"] == "the token has expired"
    running.owner.ok("DELETE", f"/agents/{agent['id']}")
    assert caller.status("POST", path, body) == 404


def test_suspending_ends_tokens_at_once_and_no_heartbeat_lifts_it(running: Running) -> None:
    agent, caller = running.connected()
    running.owner.ok("PUT", f"/agents/{agent['id']}", {"status": "suspended"})
    path = f"/agents/{agent['id']}"
    assert caller.status("POST", f"{path}/heartbeat", {"status": "online"}) == 401
    assert caller.status("POST", f"{path}/disconnect", {}) == 401
    assert caller.status("GET", f"{path}/config") == 401
    assert running.owner.ok("GET", path)["status"] == "suspended"


def test_a_new_secret_ends_the_old_one_and_its_tokens(running: Running) -> None:
    agent, caller = running.connected()
    old = running.credentials(agent["id"])["secret"]
    new = running.owner.ok("POST", f"/agents/{agent['id']}/credentials/regenerate")["secret"]
    assert len(new) == 64
    path = f"/agents/{agent['id']}"
    assert caller.status("POST", f"{path}/heartbeat", {"status": "online"}) == 401
    assert running.nobody.status("POST", f"{path}/connect", {"secret": old}) == 401
    assert running.nobody.status("POST", f"{path}/connect", {"secret": new}) == 200


def test_disconnect_keeps_when_and_why(running: Running) -> None:
    agent, caller = running.connected()
    caller.ok("POST", f"/agents/{agent['id']}/heartbeat", {"status": "online"})
    answer = caller.ok("POST", f"/agents/{agent['id']}/disconnect", {"reason": "shutdown"})
    assert answer == {"success": True, "acknowledged": True}
    found = running.owner.ok("GET", f"/agents/{agent['id']}")
    assert found["status"] == "inactive"
    assert found["lastConnectedAt"] is None
    assert found["lastDisconnectReason"] == "shutdown"
    assert found["lastDisconnectedAt"] is not None
    assert found["liveness"] == "offline"
    kinds = [each["kind"] for each in running.owner.ok("GET", "/audit")["data"]]
    assert kinds[:2] == ["agent.disconnected", "agent.connected"]


def test_config_comes_without_a_new_token(running: Running) -> None:
    agent, caller = running.connected(settings={"discord_token": "hidden"})
    path = f"/agents/{agent['id']}/config"
    answer = caller.ok("GET", path)
    assert (answer["accessToken"], answer["expiresIn"]) == ("", 0)
    header = answer["mcpServers"]["cbm-tools"]["headers"]["Authorization"]
    assert header == f"Bearer {caller.token}"
    assert answer["settings"]["discord_token"] == "hidden"
    by_user = running.owner.ok("GET", path)
    assert "hidden" not in json.dumps(by_user)
    assert running.owner.token not in json.dumps(by_user)
    assert running.stranger.status("GET", path) == 404


def test_a_change_gives_a_new_config_version_to_those_it_reaches(running: Running) -> None:
    instruction = running.owner.ok("POST", "/instructions", {"systemPrompt": "one"})
    tool = running.owner.ok("POST", "/tools", {"name": "t"})
    agent, caller = running.connected(instructionId=instruction["id"], allowedToolIds=[tool["id"]])
    _, other = running.connected(name="other")

    def version() -> int:
        beat = f"/agents/{agent['id']}/heartbeat"
        found: int = caller.ok("POST", beat, {"status": "online"})["configVersion"]
        return found

    seen = [version()]
    running.owner.ok("PUT", f"/instructions/{instruction['id']}", {"systemPrompt": "two"})
    seen.append(version())
    running.owner.ok("PUT", f"/tools/{tool['id']}", {"status": "inactive"})
    seen.append(version())
    running.owner.ok("PUT", f"/agents/{agent['id']}", {"settings": {"maxTurns": 1}})
    seen.append(version())
    running.owner.ok("PUT", f"/agents/{agent['id']}", {"tags": ["seen-by-people-only"]})
    seen.append(version())
    assert seen == [1, 2, 3, 4, 4]
    other_id = claims(other.token)["sub"]
    assert running.owner.ok("GET", f"/agents/{other_id}")["configVersion"] == 1
    answer = caller.ok("GET", f"/agents/{agent['id']}/config")
    assert answer["instructionText"] == "two"
    assert answer["tools"] == [], "inactive tools are not given"


def test_liveness_follows_from_heartbeats(running: Running) -> None:
    agent, caller = running.connected()
    path = f"/agents/{agent['id']}"

    def liveness() -> str:
        found: str = running.owner.ok("GET", path)["liveness"]
        listed = running.owner.ok("GET", f"/agents?liveness={found}")["data"]
        assert [each["id"] for each in listed] == [agent["id"]], "the query says the same"
        return found

    seen = [liveness()]
    caller.ok("POST", f"{path}/heartbeat", {"status": "online"})
    seen.append(liveness())
    running.watch.later(seconds=91)
    seen.append(liveness())
    running.watch.later(seconds=300)
    seen.append(liveness())
    assert seen == ["never", "online", "late", "offline"]


def test_history_has_a_bound(running: Running) -> None:
    agent, caller = running.connected()
    for number in range(130):
        running.watch.later(seconds=1)
        body = {"status": "online", "version": f"1.0.{number}"}
        caller.ok("POST", f"/agents/{agent['id']}/heartbeat", body)
    path = f"/agents/{agent['id']}/history"
    beats = running.owner.ok("GET", f"{path}?limit=500")["heartbeats"]
    assert [each["version"] for each in beats] == [f"1.0.{n}" for n in range(129, 9, -1)]
    second = running.owner.ok("GET", f"{path}?page=2&limit=50")
    assert [each["version"] for each in second["heartbeats"]] == [
        f"1.0.{n}" for n in range(79, 29, -1)
    ]
    assert second["events"] == []
    assert second["pagination"] == {
        "page": 2,
        "limit": 50,
        "totalHeartbeats": 120,
        "totalEvents": 2,
    }
    assert len(running.owner.ok("GET", path)["heartbeats"]) == 100
    assert running.owner.status("GET", f"{path}?limit=501") == 422


def test_agentctl_asks_with_the_secret(running: Running) -> None:
    agent = running.agent()
    secret = running.credentials(agent["id"])["secret"]
    path = f"/agents/{agent['id']}/heartbeats"
    assert running.as_(secret).ok("GET", path) == {"heartbeats": []}
    token = running.nobody.ok("POST", f"/agents/{agent['id']}/connect", {"secret": secret})
    caller = running.as_(token["token"])
    caller.ok("POST", f"/agents/{agent['id']}/heartbeat", {"status": "online", "version": "2.0"})
    beats = running.as_(secret).ok("GET", path)["heartbeats"]
    assert [each["version"] for each in beats] == ["2.0"]
    assert beats[0]["at"].endswith("Z")
    assert caller.ok("GET", path)["heartbeats"] == beats
    assert running.as_("wrong").status("GET", path) == 401
    assert running.nobody.status("GET", path) == 401
    assert running.stranger.status("GET", path) == 404
    new = running.credentials(agent["id"])["secret"]
    assert running.as_(secret).status("GET", path) == 401, "the old secret is forgotten too"
    assert running.as_(new).status("GET", path) == 200


def test_refused_secrets_are_limited_and_noted(running: Running) -> None:
    agent = running.agent()
    secret = running.credentials(agent["id"])["secret"]
    path = f"/agents/{agent['id']}/connect"
    statuses = [running.nobody.status("POST", path, {"secret": "no"}) for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    answer = running.nobody("POST", path, {"secret": secret})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert running.owner.ok("GET", f"/agents/{agent['id']}")["failedConnects"] == 10
    refused = running.owner.ok("GET", "/audit?kind=connect.refused")["data"]
    assert len(refused) == 10
    running.watch.later(seconds=7)
    assert running.nobody.status("POST", path, {"secret": secret}) == 200
    found = running.owner.ok("GET", f"/agents/{agent['id']}")
    assert found["failedConnects"] == 0, "since the last connection"


@pytest.mark.parametrize(
    ("names", "given"),
    [
        ("flat", {"discord_token": "d", "own": 1}),
        ("nested", {"discord": {"token": "d"}, "own": 1}),
        ("both", {"discord_token": "d", "discord": {"token": "d"}, "own": 1}),
    ],
)
def test_settings_are_named_as_the_controller_is_told(
    names: str, given: object, tmp_path: Path, made: Path
) -> None:
    shutil.copy(made, tmp_path)
    with controller(sqlite_settings(tmp_path, settings_names=names)) as running:
        agent, caller = running.connected(settings={"discord": {"token": "d"}, "own": 1})
        assert caller.ok("GET", f"/agents/{agent['id']}/config")["settings"] == given


def test_connections_are_limited_and_others_are_not_held_up(tmp_path: Path, made: Path) -> None:
    shutil.copy(made, tmp_path)
    with controller(sqlite_settings(tmp_path, connects_a_minute=3)) as few:
        agents = [few.agent(name=name)["id"] for name in ("one", "two")]
        secrets = {each: few.credentials(each)["secret"] for each in agents}

        def connect(agent: str) -> int:
            path = f"/agents/{agent}/connect"
            return few.nobody.status("POST", path, {"secret": secrets[agent]})

        assert [connect(agents[0]) for _ in range(5)] == [200, 200, 200, 429, 429]
        assert connect(agents[1]) == 200
        few.watch.later(seconds=20)
        assert connect(agents[0]) == 200


def test_credential_events_are_all_noted(running: Running) -> None:
    agent, caller = running.connected()
    where = f"/agents/{agent['id']}"
    running.owner.ok("PUT", where, {"status": "suspended"})
    running.owner.ok("PUT", where, {"status": "inactive"})
    token = running.owner.ok("POST", "/enrollment-tokens", {"name": "fleet"})
    running.nobody.ok("POST", "/enroll", {"token": token["token"], "host": "web-1"})
    running.owner.ok("DELETE", f"/enrollment-tokens/{token['id']}")
    running.owner.ok("DELETE", where)
    told = running.owner.ok("GET", "/audit?limit=50")["data"]
    assert {
        *("credentials.regenerated", "agent.connected", "agent.suspended", "agent.resumed"),
        *("enrollment-token.created", "agent.enrolled", "enrollment-token.revoked"),
        "agent.deleted",
    } <= {each["kind"] for each in told}
    assert caller.token not in str(told)
    assert token["token"] not in str(told)
    theirs = {each["kind"] for each in running.stranger.ok("GET", "/audit?limit=50")["data"]}
    assert theirs == {"organization.created", "user.token-issued"}


def test_a_heartbeat_that_comes_after_the_goodbye_shows_nobody_online(running: Running) -> None:
    agent, caller = running.connected()
    path = f"/agents/{agent['id']}"
    caller.ok("POST", f"{path}/heartbeat", {"status": "online"})
    caller.ok("POST", f"{path}/disconnect", {"reason": "shutdown"})
    running.watch.later(seconds=1)
    late = caller("POST", f"{path}/heartbeat", {"status": "online"})
    assert (late.status_code, late.json()["message"]) == (401, "the agent said goodbye")
    shown = running.owner.ok("GET", path)
    assert (shown["liveness"], shown["status"]) == ("offline", "inactive")
    secret = running.credentials(agent["id"])["secret"]
    again = running.nobody.ok("POST", f"{path}/connect", {"secret": secret})["accessToken"]
    running.as_(again).ok("POST", f"{path}/heartbeat", {"status": "online"})
    assert running.owner.ok("GET", path)["liveness"] == "online"
