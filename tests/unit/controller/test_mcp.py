"""The tools that the controller runs: which an agent sees, and what a call does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiwm_controller.errors import BadRequest
from aiwm_controller.networks import networks
from aiwm_controller.tool_calls import LARGEST, request_of
from aiwm_controller.tool_schemas import check

from tests.support.aiwm import Caller, Running, controller, sqlite_settings
from tests.support.provider import Got, Handler, Provider, provider

ACCEPT = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
SCHEMA = {"inputSchema": {"type": "object", "properties": {"id": {"type": "integer"}}}}


@pytest.fixture
def behind() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture
def asking(tmp_path: Path, made: Path) -> Iterator[Running]:
    shutil.copy(made, tmp_path)
    reach = networks(["127.0.0.0/8"])
    with controller(sqlite_settings(tmp_path, private_endpoints=reach)) as found:
        yield found


def tool(running: Running, behind: Provider, name: str = "find", **fields: Any) -> Any:
    endpoint = {"url": f"{behind.url}/items/{{id}}", "headers": {"X-Key": "sealed-key"}}
    body = {"name": name, "type": "api", "schema": SCHEMA, "endpoint": endpoint}
    return running.owner.ok("POST", "/tools", body | fields)


def rpc(caller: Caller, method: str, params: dict[str, Any] | None = None) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    answer = caller("POST", "/mcp", body, headers=ACCEPT)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(caller: Caller) -> list[str]:
    return [each["name"] for each in rpc(caller, "tools/list")["result"]["tools"]]


def run(caller: Caller, name: str, **arguments: Any) -> tuple[bool, str]:
    """Give whether a call failed, and what it says."""
    result = rpc(caller, "tools/call", {"name": name, "arguments": arguments})["result"]
    return bool(result.get("isError")), result["content"][0]["text"]


def test_an_agent_sees_the_tools_that_it_may_use_and_that_can_be_run(
    asking: Running, behind: Provider
) -> None:
    allowed = tool(asking, behind)
    inactive = tool(asking, behind, "inactive", status="inactive")
    tool(asking, behind, "not-allowed")
    builtin = asking.owner.ok("POST", "/tools", {"name": "Bash", "type": "builtin"})
    bare = asking.owner.ok("POST", "/tools", {"name": "bare", "type": "api"})
    ids = [each["id"] for each in (allowed, inactive, builtin, bare)]
    row, agent = asking.connected(allowedToolIds=ids)
    assert names(agent) == ["find"]
    given = agent.ok("GET", f"/agents/{row['id']}/config")["tools"]
    assert [each["name"] for each in given] == ["find", "Bash", "bare"]
    assert "sealed-key" not in json.dumps(given)
    _, other = asking.connected(name="other")
    assert names(other) == []
    body = {"name": "not-allowed", "arguments": {"id": 1}}
    assert "there is no tool" in rpc(agent, "tools/call", body)["error"]["message"]
    assert behind.got == []


def test_a_call_reaches_the_api_with_its_headers(asking: Running, behind: Provider) -> None:
    made = tool(asking, behind)
    row, agent = asking.connected(allowedToolIds=[made["id"]])
    failed, text = run(agent, "find", id=7, q="a b&c", deep={"x": [1]})
    assert not failed, text
    assert behind.last.path == "/items/7?q=a+b%26c&deep=%7B%22x%22%3A+%5B1%5D%7D"
    assert behind.last.headers["x-key"] == "sealed-key"
    assert agent.token not in str(behind.last)
    asking.owner.ok("PUT", f"/tools/{made['id']}", {"status": "inactive"})
    assert names(agent) == [], "a change holds at once"
    asking.owner.ok("PUT", f"/agents/{row['id']}", {"status": "suspended"})
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert agent("POST", "/mcp", body, headers=ACCEPT).status_code == 401


def test_arguments_are_checked_and_a_body_is_json(asking: Running, behind: Provider) -> None:
    endpoint = {"url": f"{behind.url}/items/{{id}}?v=1", "method": "POST"}
    made = tool(asking, behind, endpoint=endpoint)
    _, agent = asking.connected(allowedToolIds=[made["id"]])
    failed, text = run(agent, "find", id="seven")
    assert failed
    assert "id: 'seven' is not of type 'integer'" in text
    assert run(agent, "find")[1].startswith("id can't stand in an address")
    assert behind.got == []
    assert not run(agent, "find", id=1, title="\u00e9")[0]
    assert behind.last.path == "/items/1?v=1"
    assert json.loads(behind.last.body) == {"title": "\u00e9"}
    assert behind.last.headers["content-type"] == "application/json"


def test_what_goes_wrong_is_told_to_the_model(asking: Running, behind: Provider) -> None:
    made = tool(asking, behind)
    _, agent = asking.connected(allowedToolIds=[made["id"]])
    answers: list[tuple[int, bytes, dict[str, str], str]] = [
        (404, b"no such item", {}, "HTTP 404\nno such item"),
        (302, b"", {"Location": "http://127.0.0.1/"}, "sends elsewhere"),
        (200, b"x" * (LARGEST + 1), {}, "has more than"),
        (200, b"x", {"Content_Encoding": "gzip"}, "compressed"),
    ]
    for status, body, headers, expected in answers:

        def say(handler: Handler, got: Got, a: Any = (status, body, headers)) -> None:
            handler.say(a[0], a[1], **a[2])

        behind.answer = say
        failed, text = run(agent, "find", id=1)
        assert failed
        assert expected in text


def test_private_addresses_are_refused(running: Running, behind: Provider) -> None:
    made = tool(running, behind)
    _, agent = running.connected(allowedToolIds=[made["id"]])
    failed, text = run(agent, "find", id=1)
    assert failed
    assert "private network" in text
    assert behind.got == []


def test_only_agents_are_let_in(running: Running) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for caller in (running.nobody, running.owner, running.as_("a.b.c")):
        answer = caller("POST", "/mcp", body, headers=ACCEPT)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    _, agent = running.connected()
    assert agent.status("GET", "/mcp") == 405
    assert agent("POST", "/mcp", content=b"x" * (2 << 20), headers=ACCEPT).status_code == 413
    for raw in (b"", b"{", b"[]", b"null", b"\xff"):
        assert agent("POST", "/mcp", content=raw, headers=ACCEPT).status_code == 400


def test_headers_are_sealed_and_kept_when_sent_back(asking: Running, behind: Provider) -> None:
    made = tool(asking, behind)
    where = f"/tools/{made['id']}"
    assert made["endpoint"]["headers"] == {"X-Key": "********"}
    _, agent = asking.connected(allowedToolIds=[made["id"]])
    asking.owner.ok("PUT", where, {"endpoint": made["endpoint"]})
    assert not run(agent, "find", id=1)[0]
    assert behind.last.headers["x-key"] == "sealed-key"
    file = Path(str(asking.settings.database.database))
    stored = b"".join(each.read_bytes() for each in file.parent.glob("controller.db*"))
    assert b"sealed-key" not in stored
    kinds = [each["kind"] for each in asking.owner.ok("GET", "/audit?limit=100")["data"]]
    assert kinds.count("tool-secret.set") == 2
    assert asking.owner.ok("PUT", where, {"endpoint": None})["endpoint"] is None
    assert names(agent) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "custom"},
        {"name": "two words"},
        {"endpoint": {"url": "http://{host}/"}},
        {"endpoint": {"url": "http://u:p@x.example/"}},
        {"endpoint": {"url": "http://x.example/", "headers": {"Host": "y"}}},
        {"endpoint": {"url": "http://x.example/", "headers": {"A": "1", "a": "2"}}},
    ],
)
def test_an_endpoint_that_can_not_be_called_is_refused(
    running: Running, behind: Provider, fields: dict[str, Any]
) -> None:
    endpoint = {"url": f"{behind.url}/"}
    body = {"name": "x", "type": "api", "endpoint": endpoint} | fields
    assert running.owner.status("POST", "/tools", body) == 400
    made = running.owner.ok("POST", "/tools", {"name": "x", "type": "api", "endpoint": endpoint})
    assert running.owner.status("PUT", f"/tools/{made['id']}", fields) == 400


@pytest.mark.parametrize(
    ("schema", "arguments", "fits"),
    [
        ({"type": "object", "required": ["a"]}, {}, False),
        ({"properties": {"a": {"pattern": "^(x+x+)+y$"}}}, {"a": "x" * 40}, True),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"abc": 1}, True),
        ({"additionalProperties": False}, {"abc": 1}, False),
        ({"$ref": "http://127.0.0.1:1/schema"}, {}, False),
        ({"$ref": "#"}, {}, False),
        ({"type": "no such type"}, {}, False),
        ({"properties": {"a": {"type": "string", "maxLength": 3}}}, {"a": "long"}, False),
    ],
)
def test_check(schema: dict[str, Any], arguments: dict[str, Any], fits: bool) -> None:
    if fits:
        check(schema, arguments)
        return
    with pytest.raises(BadRequest):
        check(schema, arguments)


@pytest.mark.parametrize("value", ["..", ".", "", {"a": 1}, [1]])
def test_no_argument_leads_out_of_the_address(value: Any) -> None:
    endpoint = {"method": "GET", "url": "https://x.example/a/{id}/b"}
    with pytest.raises(BadRequest):
        request_of(endpoint, {}, {"id": value})
    asked = request_of(endpoint, {}, {"id": "../c?d#e\r\nHost: y"})
    assert asked.target == b"/a/..%2Fc%3Fd%23e%0D%0AHost%3A%20y/b"
