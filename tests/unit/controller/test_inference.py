"""The way to a model: who may ask, what reaches the provider, and what comes back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiwm_controller.errors import BadRequest
from aiwm_controller.forwarding import target
from aiwm_controller.networks import networks

from tests.support.aiwm import Caller, Running, controller, sqlite_settings
from tests.support.provider import Got, Handler, Provider, provider

KEY = "sk-provider-key"


@pytest.fixture
def behind() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture
def asking(tmp_path: Path, made: Path) -> Iterator[Running]:
    shutil.copy(made, tmp_path)
    loopback = networks(["127.0.0.0/8"])
    limits = {"inference_limit": 3 << 20, "inference_seconds": 1}
    with controller(sqlite_settings(tmp_path, private_endpoints=loopback, **limits)) as found:
        yield found


def deployment(running: Running, behind: Provider, **fields: Any) -> Any:
    body = {"provider": "openai", "model": "m", "apiEndpoint": f"{behind.url}/v1", "apiKey": KEY}
    return running.owner.ok("POST", "/deployments", body | fields)


def agent_of(running: Running, behind: Provider, **fields: Any) -> tuple[str, Caller]:
    """Give the path to the model of a new agent, and the agent as a caller."""
    made = deployment(running, behind, **fields)
    _, caller = running.connected(deploymentId=made["id"], name=f"agent of {made['id']}")
    return f"/deployments/{made['id']}/inference", caller


def test_what_an_agent_asks_reaches_the_provider_with_its_key(
    asking: Running, behind: Provider
) -> None:
    path, agent = agent_of(asking, behind)
    answer = agent(
        "POST",
        f"{path}/chat/completions?stream=no&x=%2F",
        {"model": "m"},
        headers={"OpenAI-Beta": "one", "Cookie": "a=b", "Connection": "x-drop", "X-Drop": "1"},
    )
    assert answer.status_code == 200, answer.text
    assert behind.last.path == "/v1/chat/completions?stream=no&x=%2F"
    assert behind.last.body == b'{"model":"m"}'
    headers = behind.last.headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["openai-beta"] == "one"
    assert headers["host"] == behind.url.removeprefix("http://")
    assert not {"cookie", "x-drop", "x-forwarded-for"} & headers.keys()
    assert agent.token not in str(behind.last)


@pytest.mark.parametrize(
    ("provider_name", "sent", "expected"),
    [
        ("anthropic", "x-api-key", "x-api-key"),
        ("anthropic", "authorization", "x-api-key"),
        ("google", "x-goog-api-key", "x-goog-api-key"),
        ("google", "authorization", "authorization"),
        ("groq", "authorization", "authorization"),
        ("local", "x-api-key", "authorization"),
    ],
)
def test_the_key_goes_where_the_provider_takes_it(
    asking: Running, behind: Provider, provider_name: str, sent: str, expected: str
) -> None:
    path, agent = agent_of(asking, behind, provider=provider_name, apiEndpoint=behind.url)
    token = f"Bearer {agent.token}" if sent == "authorization" else agent.token
    answer = asking.nobody("POST", f"{path}/v1/messages", {}, headers={sent: token})
    assert answer.status_code == 200, answer.text
    keys = {"authorization", "x-api-key", "x-goog-api-key"} & behind.last.headers.keys()
    assert keys == {expected}
    assert behind.last.headers[expected].removeprefix("Bearer ") == KEY


def test_a_model_without_a_key_is_asked_without_one(asking: Running, behind: Provider) -> None:
    path, agent = agent_of(asking, behind, apiKey="", provider="local")
    agent.ok("GET", f"{path}/models?key={agent.token}&b=1", headers={"X-Mine": agent.token})
    assert behind.last.path == "/v1/models?b=1", "the token is left out of a query too"
    assert agent.token not in str(behind.last)
    assert "authorization" not in behind.last.headers


def test_who_may_ask(asking: Running, behind: Provider) -> None:
    path, agent = agent_of(asking, behind)
    other, stranger_agent = agent_of(asking, behind, name="other")
    nowhere = "/deployments/" + "0" * 24 + "/inference"
    assert asking.nobody.status("POST", f"{path}/x", {}) == 401
    assert asking.as_("a.b.c").status("POST", f"{path}/x", {}) == 401
    assert asking.owner.status("POST", f"{path}/x", {}) == 401, "a user is no agent"
    assert agent.status("POST", f"{other}/x", {}) == 403
    assert stranger_agent.status("POST", f"{path}/x", {}) == 403
    assert agent.status("POST", f"{nowhere}/x", {}) == 404
    theirs = asking.stranger.ok("POST", "/deployments", {"provider": "openai", "model": "m"})
    assert agent.status("POST", f"/deployments/{theirs['id']}/inference/x", {}) == 404
    identity = path.split("/")[2]
    asking.owner.ok("PUT", f"/deployments/{identity}", {"status": "inactive"})
    assert agent.status("POST", f"{path}/x", {}) == 403
    asking.owner.ok("DELETE", f"/deployments/{identity}")
    assert agent.status("POST", f"{path}/x", {}) == 404
    assert behind.got == []


def test_suspension_and_a_new_secret_end_it_at_once(asking: Running, behind: Provider) -> None:
    for end in (
        lambda agent: asking.owner.ok("PUT", f"/agents/{agent}", {"status": "suspended"}),
        asking.credentials,
    ):
        made = deployment(asking, behind, name=f"for {len(behind.got)}")
        row, agent = asking.connected(deploymentId=made["id"])
        path = f"/deployments/{made['id']}/inference/models"
        assert agent.status("GET", path) == 200
        end(row["id"])
        assert agent.status("GET", path) == 401


WAYS_OUT = (
    *("../admin", "a/../../x", "%2e%2e/x", "a/%2e%2e/b", "a%2fb", "a%5cb", "a//b", "/x", "."),
    *("%252e%252e/x", "http://elsewhere.example/x", "a%0d%0aHost:%20x", "a%20b", "", "a/%00"),
)


@pytest.mark.parametrize("rest", WAYS_OUT)
def test_no_path_leads_out_of_the_providers(rest: str) -> None:
    with pytest.raises(BadRequest):
        target(urlsplit("https://api.example.com/v1"), rest.encode(), b"", "token")


@pytest.mark.parametrize(
    ("rest", "query", "expected"),
    [
        ("v1/messages", b"", b"/v1/v1/messages"),
        ("models/gemini-2:streamGenerateContent", b"alt=sse", None),
        ("models/a@b,c;d=1/", b"", None),
        ("caf%C3%A9", b"a=b&c=%26&&key=token&d=to%6ben", b"/v1/caf%C3%A9?a=b&c=%26"),
    ],
)
def test_a_path_and_its_query_go_on_as_they_are(
    rest: str, query: bytes, expected: bytes | None
) -> None:
    plain = b"/v1/" + rest.encode() + (b"?" + query if query else b"")
    found = target(urlsplit("https://api.example.com/v1/"), rest.encode(), query, "token")
    assert found == (expected or plain)
    versioned = urlsplit("https://api.example.com/?api-version=2")
    assert target(versioned, b"x", b"a=b", "token") == b"/x?api-version=2&a=b"


def test_errors_of_the_provider_come_back_and_redirects_do_not(
    asking: Running, behind: Provider
) -> None:
    path, agent = agent_of(asking, behind)

    def limited(handler: Handler, got: Got) -> None:
        handler.say(429, b'{"error": "slow down"}', Retry_After="7", Set_Cookie="a=b")

    def elsewhere(handler: Handler, got: Got) -> None:
        handler.say(307, b"", Location="https://elsewhere.example/")

    behind.answer = limited
    answer = agent("POST", f"{path}/chat", {})
    assert (answer.status_code, answer.json()) == (429, {"error": "slow down"})
    assert answer.headers["retry-after"] == "7"
    assert "set-cookie" not in answer.headers
    behind.answer = elsewhere
    answer = agent("POST", f"{path}/chat", {}, follow_redirects=False)
    assert answer.status_code == 502
    assert "location" not in answer.headers


def test_a_provider_that_is_gone_or_slow(asking: Running, behind: Provider) -> None:
    path, agent = agent_of(asking, behind, apiEndpoint="http://127.0.0.1:1/v1")
    answer = agent("POST", f"{path}/chat", {})
    assert answer.status_code == 502
    assert KEY not in answer.text
    path, agent = agent_of(asking, behind, name="slow")

    def slow(handler: Handler, got: Got) -> None:
        handler.rfile.read(1)  # until the other side has had enough

    behind.answer = slow
    assert agent.status("POST", f"{path}/chat", {}) == 504
    path, agent = agent_of(asking, behind, name="unresolved", apiEndpoint="http://x.invalid/")
    assert agent.status("POST", f"{path}/chat", {}) == 502


def test_bodies_have_a_limit_of_their_own(asking: Running, behind: Provider) -> None:
    path, agent = agent_of(asking, behind)
    large, larger = b"x" * (2 << 20), b"x" * (4 << 20)
    assert agent("POST", f"{path}/chat", content=large).status_code == 200
    assert behind.last.body == large
    assert agent("POST", f"{path}/chat", content=larger).status_code == 413
    parts = iter([b"x" * (1 << 20)] * 4)
    assert agent("POST", f"{path}/chat", content=parts).status_code == 413
    assert len(behind.got) == 1
    kept = agent("POST", f"{path}/chat", content=b"a=b", headers={"Content-Type": "text/x-mine"})
    assert kept.status_code == 200
    assert behind.last.headers["content-type"] == "text/x-mine"


def test_private_addresses_are_refused_unless_allowed(running: Running, behind: Provider) -> None:
    port = behind.url.rsplit(":", 1)[1]
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"):
        path, agent = agent_of(running, behind, apiEndpoint=f"http://{host}:{port}", name=host)
        answer = agent("POST", f"{path}/chat", {})
        assert answer.status_code == 403, host
        assert "AIWM_PRIVATE_ENDPOINTS" in answer.text
    path, agent = agent_of(running, behind, apiEndpoint="http://169.254.169.254/latest", name="m")
    assert agent.status("GET", f"{path}/meta-data") == 403
    assert behind.got == []


def test_the_key_is_sealed_and_never_shown(asking: Running, behind: Provider) -> None:
    made = deployment(asking, behind)
    where = f"/deployments/{made['id']}"
    assert made["apiKey"] == "********"
    row, agent = asking.connected(deploymentId=made["id"])
    asking.owner.ok("PUT", where, {"apiKey": "********", "model": "n"})
    agent.ok("GET", f"{where}/inference/models")
    assert behind.last.headers["authorization"] == f"Bearer {KEY}", "sent back redacted, it stays"
    asking.owner.ok("PUT", where, {"apiKey": "sk-new"})
    agent.ok("GET", f"{where}/inference/models")
    assert behind.last.headers["authorization"] == "Bearer sk-new"
    seen = [asking.owner(*call).text for call in (("GET", where), ("GET", "/deployments"))]
    seen.append(agent("GET", f"/agents/{row['id']}/config").text)
    seen.append(asking.owner("GET", "/audit?limit=100").text)
    file = Path(str(asking.settings.database.database))
    stored = b"".join(each.read_bytes() for each in file.parent.glob("controller.db*"))
    assert not any(key in text for key in (KEY, "sk-new") for text in seen)
    assert not any(key.encode() in stored for key in (KEY, "sk-new"))
    assert asking.owner.ok("PUT", where, {"apiKey": None})["apiKey"] == ""
    kinds = [each["kind"] for each in asking.owner.ok("GET", "/audit?limit=100")["data"]]
    assert kinds.count("deployment-secret.set") == 2
    assert kinds.count("deployment-secret.removed") == 1


@pytest.mark.parametrize("address", ["http://u:p@x.example/", "http://[/", "http://x:99999/"])
def test_an_address_that_is_none_is_refused(
    asking: Running, behind: Provider, address: str
) -> None:
    body = {"provider": "x", "model": "m", "apiEndpoint": address}
    assert asking.owner.status("POST", "/deployments", body) == 400


@pytest.mark.parametrize("key", ["a\nb", "a\r\nX: y", " a", "é", "x" * 4001, 5])
def test_a_key_that_is_none_is_refused(asking: Running, key: object) -> None:
    body = {"provider": "x", "model": "m", "apiKey": key}
    assert asking.owner.status("POST", "/deployments", body) == 422
