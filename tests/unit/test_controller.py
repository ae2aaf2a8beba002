"""The client of the controller: pages, refusals, and what it never does with a token."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from toolkit import controller as module
from toolkit.controller import Controller, address
from toolkit.errors import ControllerError, UsageError
from toolkit.secret import Secret

Answer = Callable[[str, str], tuple[int, Any, dict[str, str]]]


class Server(ThreadingHTTPServer):
    answer: Answer
    asked: list[tuple[str, str, str]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def _do(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
        status, body, headers = self.server.answer(self.command, self.path)
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def log_message(self, *_: object) -> None:
        """Keep the test's output for the test."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "_PAUSES", (0.01, 0.01))
    with Server(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        made.shutdown()


def asking(server: Server, answer: Answer) -> Controller:
    server.answer = answer
    return Controller(f"http://127.0.0.1:{server.server_port}", Secret("token-of-mine"))


def row(number: int) -> dict[str, Any]:
    return {"id": f"a{number}", "name": f"n{number}", "lastHeartbeatAt": "2026-11-21T06:00:00Z"}


def test_all_pages_are_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    pages = {1: [row(1), row(2)], 2: [row(3)]}
    found = asking(server, lambda _, path: (200, {"data": pages[int(path[-1])]}, {})).agents()
    assert [agent.id for agent in found] == ["a1", "a2", "a3"]


def test_what_reads_is_asked_again_and_what_makes_is_not(server: Server) -> None:
    controller = asking(server, lambda *_: (503, {"message": "the database is away"}, {}))
    with pytest.raises(ControllerError, match="503") as caught:
        list(controller.agents())
    assert caught.value.why == "the database is away"
    assert len(server.asked) == 3
    with pytest.raises(ControllerError, match="503"):
        controller.make("n", "xora-cc-agent")
    assert len(server.asked) == 4


@pytest.mark.parametrize(("status", "hint"), [(401, "new token"), (403, "editor"), (404, "check")])
def test_a_refusal_says_what_to_do(server: Server, status: int, hint: str) -> None:
    controller = asking(server, lambda *_: (status, {"message": "no"}, {}))
    with pytest.raises(ControllerError) as caught:
        list(controller.agents())
    assert hint in caught.value.hint
    assert "token-of-mine" not in f"{caught.value} {caught.value.why} {controller!r}"
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", ["<html>", [], {"data": [{"name": "n"}]}])
def test_something_else_answers(server: Server, body: Any) -> None:
    with pytest.raises(ControllerError, match="not as a controller does"):
        list(asking(server, lambda *_: (200, body, {})).agents())


def test_no_redirect_gets_the_token(server: Server) -> None:
    def answer(_: str, path: str) -> tuple[int, Any, dict[str, str]]:
        if path.startswith("/elsewhere"):
            return 200, {"data": []}, {}
        return 302, {}, {"Location": "/elsewhere"}

    assert list(asking(server, answer).agents()) == []
    assert [token for _, path, token in server.asked if path == "/elsewhere"] == [""]


def test_addresses() -> None:
    assert address("https://c.example.com/aiwm/", over_http=False) == "https://c.example.com/aiwm"
    assert address("http://127.0.0.1:3305", over_http=False) == "http://127.0.0.1:3305"
    assert address("http://c.example.com", over_http=True) == "http://c.example.com"
    for wrong in ("c.example.com", "ftp://c", "https://me:pw@c", "https://c?x=1", "http://c"):
        with pytest.raises(UsageError):
            address(wrong, over_http=False)
