"""What streams through the controller as a process: a model's answer, as it is written."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator

import httpx2
import pytest

from tests.support.http import HTTP
from tests.support.provider import Got, Handler, Provider, provider
from tests.support.served import Server, serving

WAIT = 30


@pytest.fixture
def behind() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("streaming")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIWM_PRIVATE_ENDPOINTS", "127.0.0.0/8")
        with serving(f"sqlite:///{folder}/controller.db", folder / "log") as found:
            yield found


def path_of(server: Server, behind: Provider) -> tuple[str, dict[str, str]]:
    """Give the path to the model of an agent, and the header that the agent sends."""
    body = {"provider": "anthropic", "model": "m", "apiEndpoint": behind.url, "apiKey": "sk-key"}
    deployment = server.call("POST", "/deployments", body)["id"]
    agent, _, token = server.connected("agent")
    server.call("PUT", f"/agents/{agent}", {"deploymentId": deployment})
    return f"/deployments/{deployment}/inference", {"x-api-key": token}


def test_events_come_one_by_one(server: Server, behind: Provider) -> None:
    path, headers = path_of(server, behind)
    read = threading.Event()
    waited = []

    def stream(handler: Handler, got: Got) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.chunk(b"data: one\n\n")
        waited.append(read.wait(WAIT))  # the second only once the first has been read
        handler.chunk(b"data: two\n\n")
        handler.chunk(b"")

    behind.answer = stream
    with HTTP.stream(
        "POST", f"{server.url}{path}/v1/messages", headers=headers, json={}, timeout=WAIT
    ) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        parts = answer.iter_bytes()
        assert next(parts) == b"data: one\n\n"
        read.set()
        assert b"".join(parts) == b"data: two\n\n"
    assert waited == [True]
    assert behind.last.headers["x-api-key"] == "sk-key"


def test_who_leaves_early_lets_the_provider_go(server: Server, behind: Provider) -> None:
    path, headers = path_of(server, behind)
    left = threading.Event()

    def endless(handler: Handler, got: Got) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            while not left.wait(0.01):
                handler.chunk(b"x" * 1000)
        except OSError:
            left.set()

    behind.answer = endless
    url = f"{server.url}{path}/v1/messages"
    with HTTP.stream("POST", url, headers=headers, json={}, timeout=WAIT) as answer:
        assert next(answer.iter_bytes())
    assert left.wait(WAIT), "the provider would write for ever"


def test_an_answer_that_breaks_off_is_no_whole_one(server: Server, behind: Provider) -> None:
    path, headers = path_of(server, behind)

    def breaks(handler: Handler, got: Got) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.chunk(b"half")
        handler.close_connection = True

    behind.answer = breaks
    with pytest.raises(httpx2.RemoteProtocolError):
        HTTP.post(f"{server.url}{path}/v1/messages", headers=headers, json={}, timeout=WAIT)
    assert HTTP.get(f"{server.url}/health").status_code == 200
    assert "a provider's answer broke off" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_paths_are_taken_as_they_come(server: Server, behind: Provider) -> None:
    path, headers = path_of(server, behind)
    for rest, status in (("v1/caf%C3%A9", 200), ("../admin", 400), ("%2e%2e/admin", 400)):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT)
        connection.request("GET", f"{path}/{rest}", headers=headers)
        assert connection.getresponse().status == status, rest
        connection.close()
    assert [each.path for each in behind.got] == ["/v1/caf%C3%A9"]
