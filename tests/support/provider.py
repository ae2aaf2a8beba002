"""A stand-in for what stands behind the controller: a model's provider, or the API of a tool."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Got:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[["Handler", Got], None]


@dataclass
class Provider:
    """What was asked, and how it is answered."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def last(self) -> Got:
        return self.got[-1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: Provider

    def say(self, status: int, body: bytes, **headers: str) -> None:
        """Answer whole."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data: bytes) -> None:
        """Write a part of an answer, which the other side gets at once."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def handle_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        got = Got(self.command, self.path, headers, self._read())
        self.provider.got.append(got)
        if self.provider.answer is not None:
            self.provider.answer(self, got)
            return
        body: Any = {"path": got.path, "body": got.body.decode()}
        self.say(200, json.dumps(body).encode(), Content_Type="application/json")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: a test looks at `got`."""


@contextmanager
def provider() -> Iterator[Provider]:
    found = Provider()
    handler = type("Bound", (Handler,), {"provider": found})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
