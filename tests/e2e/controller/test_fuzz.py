"""No request of any kind makes the controller fail: made from its own OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from aiwm_controller.app import create
from aiwm_controller.settings import Settings
from hypothesis import HealthCheck, settings

from tests.support.postgres import Cluster
from tests.support.served import Server, serving

DOCUMENT = create(Settings()).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT)
NASTY: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    1e308,
    10**30,
    "",
    "x" * 300_000,
    "\u0000",
    "a\u0000b",
    "\ud800",
    "\U0001f600" * 50,
    "e\u0301\u202e",
    "'; DROP TABLE agents; --",
    "$(reboot)`id`\nEnvironment=X=1",
    [],
    [[]],
    [1, "x", None],
    {},
    {"a": {"b": []}},
    {"\u0000": 1},
    "2026-11-21T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "f" * 24,
)


@dataclass
class Target:
    """A server with one thing of each kind, so that requests get past the first check."""

    server: Server
    ids: dict[str, str]
    agent_token: str
    client: httpx2.Client

    def path(self, template: str) -> str:
        kind = template.strip("/").split("/")[0]
        found = self.ids.get(kind, "none")
        return "/".join(found if part.startswith("{") else part for part in template.split("/"))

    def token(self, template: str) -> str:
        ours = template.endswith(("/heartbeat", "/disconnect", "/config", "/heartbeats"))
        return self.agent_token if ours else self.server.token

    def send(self, method: str, template: str, body: bytes) -> int:
        answer = self.client.request(
            method,
            f"{self.server.url}{self.path(template)}",
            content=body,
            headers={
                "Authorization": f"Bearer {self.token(template)}",
                "Content-Type": "application/json",
            },
            timeout=60,
        )
        assert answer.status_code < 500, f"{method} {template} {body[:300]!r}: {answer.text[:300]}"
        return answer.status_code


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    url = f"sqlite:///{folder}/controller.db"
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.database("fuzz")
    with serving(url, folder / "log") as server:
        agent, _, token = server.connected("agent")
        deployment = server.call("POST", "/deployments", {"provider": "x", "model": "x"})
        ids = {
            "agents": agent,
            "instructions": server.call("POST", "/instructions", {"systemPrompt": "x"})["id"],
            "tools": server.call("POST", "/tools", {"name": "x"})["id"],
            "deployments": deployment["id"],
            "nodes": server.call("POST", "/nodes", {"name": "x"})["id"],
            "users": server.call("POST", "/users", {"email": "x@example.com"})["id"],
        }
        with httpx2.Client() as client:
            yield Target(server, ids, token, client)


EXAMPLES: dict[str, Any] = {
    "url": "http://127.0.0.1/",
    "outcome": "committed",
    "status": "online",
    "secret": "x",
    "name": "x",
    "systemPrompt": "x",
    "provider": "x",
    "model": "x",
    "email": "x@example.com",
    "password": "x",
    "key": "a.b",
    "value": "x",
    "token": "x",
    "host": "x",
}

Field = tuple[str, ...]


def bodies() -> list[tuple[str, str, dict[Field, dict[str, Any]]]]:
    """Give each operation that has a body, with its fields at any depth."""
    found = []
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content and method != "patch":  # the same as put
                schema = resolved(content["application/json"]["schema"])
                assert schema is not None, f"{method} {path}: a body without fields"
                found.append((method.upper(), path, fields(schema)))
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Give the object that a schema stands for, if it is one with fields of its own."""
    for part in (schema, *schema.get("anyOf", ()), *schema.get("allOf", ())):
        if "$ref" in part:
            found = DOCUMENT["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]]
            return found if "properties" in found else None
    return None


def fields(schema: dict[str, Any]) -> dict[Field, dict[str, Any]]:
    """Give each field's path with an example of the object that it stands in."""
    example = {name: EXAMPLES[name] for name in schema.get("required", ())}
    found: dict[Field, dict[str, Any]] = {}
    for name, each in schema["properties"].items():
        found[(name,)] = example
        inner = resolved(each)
        if inner is not None:
            for path, holder in fields(inner).items():
                found[(name, *path)] = {**example, name: holder}
    return found


def changed(example: dict[str, Any], field: Field, value: Any) -> dict[str, Any]:
    """Give an example with one field set to a value."""
    name, *rest = field
    inner = changed(example[name], tuple(rest), value) if rest else value
    return {**example, name: inner}


BODIES = bodies()


def test_fields_are_found_at_any_depth() -> None:
    found = {(path, field) for _, path, each in BODIES for field in each}
    assert ("/tools", ("endpoint", "url")) in found
    assert ("/enrollment-tokens", ("agent", "settings")) in found
    assert ("/agents/{id}/heartbeat", ("metrics", "cpu")) in found


@pytest.mark.parametrize(
    ("method", "path", "body"), BODIES, ids=lambda each: each if isinstance(each, str) else ""
)
def test_every_field_of_every_body(
    target: Target, method: str, path: str, body: dict[Field, dict[str, Any]]
) -> None:
    deep = b'{"settings":' + b'{"a":' * 500 + b"1" + b"}" * 501
    raws = [b"", b"{", b"null", b"[]", b"\xff\xfe", b"1" * 10_000, b"[" * 100_000, b"NaN", deep]
    for field, example in body.items():
        raws += [json.dumps(changed(example, field, value)).encode() for value in NASTY]
        if len(field) == 1:
            left = {key: each for key, each in example.items() if key != field[0]}
            raws.append(json.dumps(left).encode())
    # Several at once: the server works on one while the client makes another.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda raw: target.send(method, path, raw), raws))


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_requests_made_from_the_document(case: schemathesis.Case[Any], target: Target) -> None:
    if case.method != "DELETE" and case.path_parameters:
        wanted = target.path(case.path).strip("/").split("/")
        kind = wanted[0]
        if kind in target.ids:
            case.path_parameters = dict.fromkeys(case.path_parameters, target.ids[kind])
    headers = {"Authorization": f"Bearer {target.token(case.path)}"}
    answer = case.call(base_url=target.server.url, headers=headers, timeout=60)
    assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text[:300]}"


VALUES = ("%00", "%ff", "%ed%a0%80", "0", "-1", "9" * 40, "%25_%5C", "x" * 2000, "%27", "")


def queries() -> Iterator[tuple[str, list[str]]]:
    """Give each path that is read, with the names that its query may have."""
    for path, operations in DOCUMENT["paths"].items():
        if "get" in operations:
            parameters = operations["get"].get("parameters", ())
            names = [each["name"] for each in parameters if each["in"] == "query"]
            yield path, [*names, "unknown"]


@pytest.mark.parametrize(("path", "names"), list(queries()), ids=lambda each: str(each)[:60])
def test_every_query(target: Target, path: str, names: list[str]) -> None:
    place = f"{target.server.url}{target.path(path)}"
    asked = [f"{place}?{name}={value}" for name in names for value in VALUES]
    asked += [f"{place}?{'&'.join(f'{name}={value}' for name in names)}" for value in VALUES]
    if "{" in path:
        first, _, rest = path.partition("{")
        rest = rest.partition("}")[2]
        asked += [f"{target.server.url}{first}{value}{rest}" for value in VALUES]
    headers = {"Authorization": f"Bearer {target.token(path)}"}

    def ask(url: str) -> None:
        answer = target.client.get(url, headers=headers, timeout=60)
        assert answer.status_code < 500, f"{url[:300]}: {answer.text[:300]}"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, asked))
