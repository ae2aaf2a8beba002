"""A controller that keeps the heartbeats it gets, and that can be out of order for a while."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class Controller:
    """Serves on `address`: POST takes a version as a heartbeat, GET gives them all.

    While `answer` is a status, every request gets that and nothing else. Only a bearer of `token`
    is let in.
    """

    def __init__(self, address: str, token: str) -> None:
        self.answer: int | None = None
        self.refused = 0
        self._token = token
        self._beats: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer((address, 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def beat(self, version: str) -> None:
        self._beats.append({"version": version, "at": datetime.now(UTC).isoformat()})

    def beats(self) -> list[dict[str, str]]:
        return list(self._beats[-1000:])

    def status_for(self, authorization: str | None) -> int:
        if self.answer is not None:
            self.refused += 1
            return self.answer
        return 200 if authorization == f"Bearer {self._token}" else 401

    def __enter__(self) -> Controller:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


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
