"""A controller that answers what a test tells it to, right or wrong."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.loopback import Served

Json = dict[str, Any]

CONNECTED: Json = {
    "accessToken": "header.payload.signature",
    "expiresIn": 86400,
    "mcpServers": {},
    "instruction": {"id": "1", "systemPrompt": "Be kind.", "guidelines": []},
    "tools": [],
    "settings": {},
    "configVersion": 1,
}


@dataclass
class Answer:
    """What is answered: `body` as it is, or as JSON; `drip` sends a byte at a time, so slowly."""

    body: object = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0
    drip: float = 0

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Asked:
    what: str
    headers: dict[str, str]
    body: Any
    at: float


class Answers(Served):
    """Answers connect, config, heartbeat and disconnect by `answers`; keeps what was asked."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {
            "connect": Answer(CONNECTED),
            "config": Answer({**CONNECTED, "accessToken": ""}),
            "heartbeat": Answer({"success": True, "acknowledged": True, "nextHeartbeat": 1}),
            "disconnect": Answer({"success": True}),
        }
        self.asked: list[Asked] = []
        super().__init__(_handler(self), tls=tls)

    def times(self, what: str) -> int:
        return sum(each.what == what for each in self.asked)


def _handler(answers: Answers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._take()

        def do_POST(self) -> None:
            self._take()

        def _take(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            what = self.path.rsplit("/", 1)[1]
            body = json.loads(sent) if sent else None
            answers.asked.append(Asked(what, dict(self.headers), body, time.monotonic()))
            answer = answers.answers[what]
            time.sleep(answer.wait)
            try:
                self._send(answer)
            except OSError:
                self.close_connection = True  # whoever asked did not wait

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            headers = {"Content-Type": "application/json", **answer.headers}
            for name, value in {**headers, "Content-Length": str(len(answer.data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if not answer.drip:
                self.wfile.write(answer.data)
                return
            for byte in answer.data:
                self.wfile.write(bytes([byte]))
                time.sleep(answer.drip)

        def log_message(self, *_: object) -> None:
            """Keep the test's output for the test."""

    return Handler
