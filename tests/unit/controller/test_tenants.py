"""No route shows or changes what another organization has: tried on every route that there is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aiwm_controller.app import create
from aiwm_controller.settings import Settings
from fastapi.routing import APIRoute, iter_route_contexts

from tests.support.aiwm import Caller, Running

# Routes that are meant for anybody, each with why it gives nothing away.
OPEN = {
    "GET /health": "says nothing of tenants",
    "GET /metrics": "sums over all tenants",
    "GET /login": "a form",
    "POST /login": "a form",
    "POST /auth/login": "needs a password",
    "POST /agents/{id}/connect": "needs the agent's secret",
    "GET /agents/{id}/install-script": "has no secret without a token; tested with credentials",
    "POST /enroll": "needs an enrollment token",
    "POST /enroll/install-script": "needs an enrollment token",
    "GET /enroll/script": "has no secret",
}
# What a caller's own organization answers, so that a success shows nothing of another.
OWN = {
    "GET /auth/me",
    "POST /agents",
    "POST /instructions",
    "POST /tools",
    "POST /deployments",
    "POST /nodes",
    "POST /users",
    "POST /configurations",
    "POST /enrollment-tokens",
}
BODIES: dict[str, Any] = {
    "/agents": {"name": "x"},
    "/agents/{id}/heartbeat": {"status": "online"},
    "/agents/{id}/connect": {"secret": "x"},
    "/users": {"email": "new@example.com"},
    "/configurations": {"key": "a.b", "value": "x"},
    "/tools": {"name": "x"},
    "/nodes": {"name": "x"},
    "/instructions": {"systemPrompt": "x"},
    "/deployments": {"provider": "x", "model": "x"},
    "/enrollment-tokens": {"name": "x"},
}


# What is no route of the API, each with why it shows nothing of tenants.
PLAIN = {
    "/api-docs": "the description of the API",
    "/api-docs-json": "the description of the API",
    "/static": "files that come with the controller",
    "/mcp": "an agent's own tools: tested with them, and below",
}


def contexts() -> list[Any]:
    return list(iter_route_contexts(create(Settings()).routes))


def all_routes() -> list[str]:
    """Give every route of the application, as METHOD PATH."""
    return [
        f"{method} {route.path}"
        for route in contexts()
        if isinstance(route.original_route, APIRoute)
        for method in sorted(route.methods or ())
    ]


def filled(path: str, ids: dict[str, str]) -> str:
    """Put what one organization has into a path; fails for a kind of thing that is not known."""
    if "{" not in path:
        return path
    kind = path.split("/")[1]
    assert kind in ids, f"{path}: plant a {kind} here, so that this route is tried"
    return re.sub(r"\{[^}]+\}", "x", re.sub(r"\{[^}]+\}", ids[kind], path, count=1))


def planted(running: Running) -> dict[str, str]:
    """Give what one organization has, by the names of path parameters."""
    owner = running.owner
    instruction = owner.ok("POST", "/instructions", {"name": "planted", "systemPrompt": "planted"})
    made = {
        "instructions": instruction["id"],
        "tools": owner.ok("POST", "/tools", {"name": "planted"})["id"],
        "deployments": owner.ok("POST", "/deployments", {"provider": "planted", "model": "m"})[
            "id"
        ],
        "nodes": owner.ok("POST", "/nodes", {"name": "planted"})["id"],
        "users": owner.ok("POST", "/users", {"email": "planted@example.com"})["id"],
        "enrollment-tokens": owner.ok("POST", "/enrollment-tokens", {"name": "planted"})["id"],
    }
    owner.ok("POST", "/configurations", {"key": "planted", "value": "planted"})
    agent, caller = running.connected(name="planted", instructionId=instruction["id"])
    caller.ok(
        "POST", f"/agents/{agent['id']}/heartbeat", {"status": "online", "version": "planted"}
    )
    return {**made, "agents": agent["id"], "fleet": agent["id"], "configurations": "planted"}


@pytest.fixture
def snapshot_of(running: Running) -> Any:
    def snapshot() -> str:
        paths = ("/agents", "/instructions", "/tools", "/deployments", "/nodes", "/users")
        more = ("/configurations", "/enrollment-tokens")
        return json.dumps([running.owner.ok("GET", path) for path in (*paths, *more)])

    return snapshot


def test_every_route_is_known() -> None:
    found = set(all_routes())
    assert len(found) > 40
    assert found >= set(OPEN) | OWN
    plain = {each.path for each in contexts() if not isinstance(each.original_route, APIRoute)}
    assert plain == set(PLAIN), "say here why it shows nothing of tenants, and test it"


def test_every_body_is_known() -> None:
    unknown = {
        each.path
        for each in contexts()
        if isinstance(each.original_route, APIRoute)
        and each.original_route.body_field is not None
        and "POST" in (each.methods or ())
        and f"POST {each.path}" not in OPEN
    } - BODIES.keys()
    assert unknown == {"/agents/{id}/disconnect", "/logout"}, "bodies that are tried empty"


def test_no_route_crosses_organizations(running: Running, snapshot_of: Any) -> None:
    ids = planted(running)
    before = snapshot_of()
    for route in all_routes():
        method, path = route.split()
        if route in OPEN:
            continue
        answer = running.stranger(
            method, filled(path, ids), BODIES.get(path, {}), follow_redirects=False
        )
        where = f"{route}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500, where
        assert "planted" not in answer.text, where
        assert not any(each in answer.text for each in ids.values() if len(each) == 24), where
        if "{" in path:
            assert answer.status_code in {303, 401, 403, 404}, where
        elif method != "GET" and route not in OWN:
            assert answer.status_code in {303, 401, 403, 404, 405, 422}, where
    assert snapshot_of() == before, "nothing of the other organization changed"


def test_every_route_but_the_open_ones_needs_a_token(running: Running) -> None:
    ids = planted(running)
    for route in all_routes():
        method, path = route.split()
        if route in OPEN:
            continue
        answer = running.nobody(
            method, filled(path, ids), BODIES.get(path, {}), follow_redirects=False
        )
        assert answer.status_code in {303, 401, 422}, f"{route}: {answer.status_code}"
        if answer.status_code == 422:
            assert "authorization" in answer.text.lower(), f"{route} reads before it asks who"


def test_no_agent_reaches_another_agent(running: Running) -> None:
    ids = planted(running)
    _, other = running.connected(name="other")
    for agent in (other, agent_of_the_stranger(running)):
        for route in all_routes():
            method, path = route.split()
            if route in OPEN or "{" not in path:
                continue
            where = filled(path, ids)
            answer = agent(method, where, BODIES.get(path, {}), follow_redirects=False)
            assert answer.status_code in {303, 401, 403, 404}, f"{route}: {answer.status_code}"
            assert "planted" not in answer.text


def agent_of_the_stranger(running: Running) -> Caller:
    agent = running.stranger.ok("POST", "/agents", {"name": "theirs", "type": "autonomous"})["id"]
    secret = running.stranger.ok("POST", f"/agents/{agent}/regenerate-credentials")["secret"]
    answer = running.nobody.ok("POST", f"/agents/{agent}/connect", {"secret": secret})
    return running.as_(answer["token"])
