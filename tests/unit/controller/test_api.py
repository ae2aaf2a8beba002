"""Agents and what they refer to, as people work with them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aiwm import PASSWORD, Running

KINDS = {
    "instructions": {"systemPrompt": "Be helpful."},
    "tools": {"name": "one"},
    "deployments": {"provider": "groq", "model": "llama"},
    "nodes": {"name": "rack-1", "role": ["worker"], "specs": {"cpu": 4}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_create_read_change_list_delete(running: Running, kind: str) -> None:
    made = running.owner.ok("POST", f"/{kind}", KINDS[kind])
    assert len(made["id"]) == 24
    assert made["_id"] == made["id"]
    path = f"/{kind}/{made['id']}"
    assert running.owner.ok("GET", path) == made
    changed = running.owner.ok("PUT", path, {"name": "other"})
    assert changed["name"] == "other"
    assert running.owner.status("PUT", path, {"name": None}) == 400
    listed = running.owner.ok("GET", f"/{kind}?search=THE")
    assert [each["id"] for each in listed["data"]] == [made["id"]]
    assert listed["pagination"] == {"total": 1, "page": 1, "limit": 10, "totalPages": 1}
    assert "deleted successfully" in running.owner.ok("DELETE", path)["message"]
    assert running.owner.status("GET", path) == 404


def test_names_of_tools_are_unique(running: Running) -> None:
    running.owner.ok("POST", "/tools", {"name": "one"})
    assert running.owner.status("POST", "/tools", {"name": "one"}) == 409
    two = running.owner.ok("POST", "/tools", {"name": "two"})
    assert running.owner.status("PUT", f"/tools/{two['id']}", {"name": "one"}) == 409
    assert running.stranger.status("POST", "/tools", {"name": "one"}) == 201


def test_agents_are_listed_by_pages_with_statistics(running: Running) -> None:
    for number in range(12):
        running.watch.later(seconds=1)
        kind = "autonomous" if number % 2 else "managed"
        running.agent(name=f"agent {number:02}", type=kind, tags=["even"] if kind[0] == "m" else [])
    found = running.owner.ok("GET", "/agents?page=2&limit=5&sortBy=name&sort=asc")
    assert [each["name"] for each in found["data"]] == [f"agent {n:02}" for n in range(5, 10)]
    assert found["pagination"] == {"total": 12, "page": 2, "limit": 5, "totalPages": 3}
    assert found["statistics"] == {
        "total": 12,
        "byStatus": {"inactive": 12},
        "byType": {"managed": 6, "autonomous": 6},
        "byLiveness": {"never": 12},
    }
    assert running.owner.ok("GET", "/agents")["data"][0]["name"] == "agent 11", "newest first"
    for query, count in {
        "type=managed": 6,
        "tag=even": 6,
        "tag=odd": 0,
        "search=AGENT 1": 2,
        "search=%25": 0,
        "status=busy": 0,
        "liveness=never": 12,
    }.items():
        assert running.owner.ok("GET", f"/agents?{query}")["pagination"]["total"] == count, query


def test_an_agents_type_stays(running: Running) -> None:
    agent = running.agent()
    path = f"/agents/{agent['id']}"
    answer = running.owner("PUT", path, {"type": "managed"})
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "Cannot change agent type from 'autonomous' to 'managed'. "
        "Please delete and recreate the agent with the desired type."
    )
    assert running.owner.ok("PUT", path, {"type": "autonomous", "name": "n"})["name"] == "n"


def test_populate(running: Running) -> None:
    instruction = running.owner.ok("POST", "/instructions", {"systemPrompt": "Hi"})
    agent = running.agent(instructionId=instruction["id"])
    found = running.owner.ok("GET", "/agents?populate=instruction")["data"][0]
    assert found["instruction"]["systemPrompt"] == "Hi"
    one = running.owner.ok("GET", f"/agents/{agent['id']}?populate=instruction")
    assert one["instruction"]["id"] == instruction["id"]
    cleared = running.owner.ok("PUT", f"/agents/{agent['id']}", {"instructionId": None})
    assert cleared["instructionId"] is None


def test_settings_are_stored_flat_and_shown_redacted(running: Running) -> None:
    agent = running.agent(
        settings={"claudeModel": "m", "discord": {"token": "t", "channelIds": []}, "api_key": "k"}
    )
    shown = agent["settings"]
    assert shown == {
        "claude_model": "m",
        "discord_token": "********",
        "discord_channelIds": [],
        "api_key": "********",
    }
    path = f"/agents/{agent['id']}"
    running.owner.ok("PUT", path, {"settings": {**shown, "claude_model": "n"}})
    secret = running.credentials(agent["id"])["secret"]
    got = running.nobody.ok("POST", f"{path}/connect", {"secret": secret})["settings"]
    assert got["discord_token"] == "t", "what was read redacted and sent back is kept"
    assert got["claude_model"] == "n"
    assert got["api_key"] == "k"


def test_an_agent_refers_to_what_there_is(running: Running) -> None:
    theirs = running.stranger.ok("POST", "/instructions", {"systemPrompt": "Hi"})
    tool = running.stranger.ok("POST", "/tools", {"name": "t"})
    body = {"name": "a", "instructionId": theirs["id"]}
    assert running.owner.status("POST", "/agents", body) == 400
    assert (
        running.owner.status("POST", "/agents", {"name": "a", "allowedToolIds": [tool["id"]]})
        == 400
    )


def test_no_tools_are_allowed_unless_named(running: Running) -> None:
    running.owner.ok("POST", "/tools", {"name": "t"})
    agent = running.agent()
    secret = running.credentials(agent["id"])["secret"]
    path = f"/agents/{agent['id']}/connect"
    answer = running.nobody.ok("POST", path, {"secret": secret})
    assert answer["tools"] == []
    assert answer["instruction"] == {
        "id": "",
        "systemPrompt": "No instruction configured for this agent.",
        "guidelines": [],
    }


def user(running: Running, role: str) -> tuple[Any, Any]:
    body = {"email": f"{role}@example.com", "role": f"organization.{role}", "password": PASSWORD}
    made = running.owner.ok("POST", "/users", body)
    login = {"email": body["email"], "password": PASSWORD}
    return made, running.as_(running.nobody.ok("POST", "/auth/login", login)["accessToken"])


def test_roles(running: Running) -> None:
    _, viewer = user(running, "viewer")
    _, editor = user(running, "editor")
    agent = running.agent()
    path = f"/agents/{agent['id']}"
    assert viewer.status("GET", path) == 200
    for method, where, body in (
        ("POST", "/agents", {"name": "x"}),
        ("PUT", path, {"name": "x"}),
        ("POST", f"{path}/regenerate-credentials", None),
        ("DELETE", path, None),
        ("POST", "/enrollment-tokens", {"name": "x"}),
    ):
        assert viewer.status(method, where, body) == 403
        assert editor.status(method, where, body) in {200, 201}
    for where in ("/users", "/configurations", "/audit"):
        assert editor.status("GET", where) == 403
        assert running.owner.status("GET", where) == 200


def test_changing_a_user_ends_the_users_tokens(running: Running) -> None:
    made, viewer = user(running, "viewer")
    assert viewer.status("GET", "/auth/me") == 200
    running.owner.ok("PUT", f"/users/{made['id']}", {"status": "suspended"})
    assert viewer.status("GET", "/auth/me") == 401
    login = {"email": "viewer@example.com", "password": PASSWORD}
    assert running.nobody.status("POST", "/auth/login", login) == 401


def test_an_organization_keeps_an_owner(running: Running) -> None:
    me = running.owner.ok("GET", "/auth/me")["id"]
    answer = running.owner("PUT", f"/users/{me}", {"role": "organization.viewer"})
    assert answer.status_code == 400
    assert running.owner.status("DELETE", f"/users/{me}") == 400
    assert running.owner.status("GET", "/users") == 200


def test_login_tells_nobody_who_exists_and_has_a_limit(running: Running) -> None:
    wrong = [
        running.nobody("POST", "/auth/login", {"email": email, "password": "wrong password"}).json()
        for email in ("owner@example.com", "none@example.com")
    ]
    assert wrong[0]["message"] == wrong[1]["message"]
    login = {"email": "owner@example.com", "password": PASSWORD}
    assert running.nobody.ok("POST", "/auth/login", login)["user"]["role"] == "organization.owner"
    tries = [
        running.nobody.status("POST", "/auth/login", {**login, "password": "wrong"})
        for _ in range(12)
    ]
    assert tries[-1] == 429


def test_configuration(running: Running) -> None:
    key = "agent.download.baseUrl"
    found = running.owner.ok("GET", f"/configurations?key={key}")
    assert found["value"] == "https://cdn.x-or.cloud/agents"
    running.owner.ok(
        "POST", "/configurations", {"key": "agent.download.base_url", "value": "https://x"}
    )
    assert running.owner.ok("GET", f"/configurations?key={key}")["value"] == "https://x"
    listed = running.owner.ok("GET", "/configurations")["data"]
    assert [each["key"] for each in listed] == [key, "agent.release.channel"]
    assert not any("value" in each for each in listed)
    theirs = running.stranger.ok("GET", f"/configurations?key={key}")["value"]
    assert theirs == "https://cdn.x-or.cloud/agents"


def test_answers_carry_a_correlation_id(running: Running) -> None:
    given = running.nobody("GET", "/agents", headers={"X-Correlation-Id": "mine-1"})
    assert given.headers["x-correlation-id"] == "mine-1"
    assert given.json()["correlationId"] == "mine-1"
    made = running.nobody("GET", "/health", headers={"X-Correlation-Id": "bad id\u00e9".encode()})
    assert len(made.headers["x-correlation-id"]) == 16


def test_bodies_have_a_limit(running: Running) -> None:
    body = b'{"name": "' + b"x" * (2 << 20) + b'"}'
    answer = running.nobody("POST", "/agents", content=body)
    assert answer.status_code == 413
    parts = iter([b"x" * (1 << 19)] * 4)
    assert running.nobody("POST", "/agents", content=parts).status_code == 413


def test_health_and_metrics(running: Running) -> None:
    assert running.nobody.ok("GET", "/health")["status"] == "ok"
    running.connected()
    text = running.nobody("GET", "/metrics").text
    assert 'aiwm_connects_total{outcome="accepted"} 1.0' in text
    assert 'aiwm_agents{liveness="never"} 1.0' in text
