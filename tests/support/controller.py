"""A controller that keeps the heartbeats it gets, and that can be out of order for a while."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

from tests.support.loopback import Served


class Controller(Served):
    """Serves on `address`: POST takes a version as a heartbeat, GET gives them all.

    While `answer` is a status, every request gets that and nothing else. Only a bearer of `token`
    is let in.
    """

    def __init__(self, address: str, token: str) -> None:
        self.answer: int | None = None
        self.refused = 0
        self._token = token
        self._beats: list[dict[str, str]] = []
        super().__init__(_handler(self), address)

    def beat(self, version: str) -> None:
        self._beats.append({"version": version, "at": datetime.now(UTC).isoformat()})

    def beats(self) -> list[dict[str, str]]:
        return list(self._beats[-1000:])

    def status_for(self, authorization: str | None) -> int:
        if self.answer is not None:
            self.refused += 1
            return self.answer
        return 200 if authorization == f"Bearer {self._token}" else 401


def _handler(controller: Controller) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(json.dumps({"heartbeats": controller.beats()}).encode())

        def do_POST(self) -> None:
            version = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self._send(b"{}"):
                controller.beat(version)

        def _send(self, body: bytes) -> bool:
            status = controller.status_for(self.headers["Authorization"])
            said = body if status == 200 else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)
            return status == 200

        def log_message(self, *_: object) -> None:
            """Keep the test's output for the test."""

    return Handler
