"""A stand-in for the part of the controller that gives agents their credentials."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Credentials:
    """The agents, whose names are their ids, with the secret of each.

    `exchanged` names those that got another one, in order. `after` is called once an exchange
    holds, before it is answered.
    """

    secrets: dict[str, str]
    exchanged: list[str] = field(default_factory=list)
    after: Callable[[], None] = lambda: None
    url: str = ""
    lock: Lock = field(default_factory=Lock)

    def exchange(self, agent: str) -> Mapping[str, str]:
        with self.lock:
            self.exchanged.append(agent)
            self.secrets[agent] = f"{agent}-{len(self.exchanged)}"
            self.after()
            return {"secret": self.secrets[agent]}


@contextmanager
def credentials(*agents: str) -> Iterator[Credentials]:
    """Serve it on a free port of loopback; no secret works yet."""
    found = Credentials(dict.fromkeys(agents, ""))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the test looks at what was kept."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/agents":
                (name,) = parse_qs(parts.query)["search"]
                self._send(200, {"data": [{"id": name, "name": name}]})
                return
            agent = parts.path.split("/")[2]
            works = self.headers["Authorization"] == f"Bearer {found.secrets[agent]}"
            self._send(200 if works else 401, {"data": []})

        def do_POST(self) -> None:
            self._send(200, found.exchange(self.path.split("/")[2]))

        def _send(self, status: int, body: Mapping[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
