"""One server that speaks the APIs of all providers.

It answers as it is told, and keeps what it was asked. It is the standard library alone, so that it
can run where the agent's environment is not.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

from tests.support.models import anthropic_api, google_api, openai_api
from tests.support.models.answers import Answer, Asked, BreakOff, Fail, Garbage, Hang, Say

_APIS: tuple[ModuleType, ...] = (anthropic_api, openai_api, google_api)
Respond = Callable[[Asked], Answer | None]


def api_of(path: str) -> ModuleType | None:
    """Tell by a path, behind whatever prefix, which API is spoken."""
    plain = path.partition("?")[0]
    return next((api for api in _APIS if plain.endswith(api.PATH)), None)


class ModelServer(ThreadingHTTPServer):
    """Answers what its script says, one after the other; once it is at its end, it echoes."""

    daemon_threads = True

    def __init__(self, port: int = 0, respond: Respond | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script: list[Answer] = []
        self.respond = respond
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def say(self, *answers: Answer | str) -> None:
        """Put answers at the end of the script; a text stands for an answer of that text."""
        with self._lock:
            self.script += [Say(a) if isinstance(a, str) else a for a in answers]

    def answer(self, asked: Asked, api: ModuleType) -> Answer:
        with self._lock:
            self.asked.append(asked)
            if self.respond and (answer := self.respond(asked)):
                return answer
            if self.script:
                return self.script.pop(0)
        return Say(f"echo: {api.last_words(asked.body)}")

    def bodies(self) -> list[Any]:
        """Give the bodies of the requests to models so far."""
        with self._lock:
            return [a.body for a in self.asked if api_of(a.path)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def log_message(self, format: str, *args: Any) -> None:
        """Keep tests quiet."""

    def do_GET(self) -> None:
        self._unknown()

    def do_HEAD(self) -> None:
        self._unknown()

    def do_POST(self) -> None:
        body = self._body()
        api = api_of(self.path)
        if api is None:
            self._unknown(body)
            return
        answer = self.server.answer(self._asked(body), api)
        try:
            self._send(answer, api, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked has gone

    def _body(self) -> Any:
        held = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            return json.loads(held or b"{}")
        except ValueError:
            return {}

    def _asked(self, body: Any) -> Asked:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Asked(self.command, self.path, headers, body)

    def _unknown(self, body: Any = None) -> None:
        self.server.asked.append(self._asked(body))
        self._whole(404, b'{"error": {"message": "no such path"}}')

    def _send(self, answer: Answer, api: ModuleType, body: Any) -> None:
        match answer:
            case Say() if api.wants_stream(self.path, body):
                self._stream(api.stream(answer, body), answer.pause)
            case Say():
                self._whole(200, json.dumps(api.whole(answer, body)).encode())
            case Fail():
                more = {"retry-after": answer.retry_after} if answer.retry_after else {}
                self._whole(answer.status, json.dumps(api.error(answer)).encode(), more)
            case Garbage():
                self._whole(200, answer.body, {"content-type": answer.content_type})
            case Hang():
                self.server.closing.wait(answer.seconds)
                self.close_connection = True
            case BreakOff():
                pieces = list(api.stream(Say(answer.text), body))
                self._stream(pieces[: len(pieces) // 2], 0, whole=False)

    def _whole(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        for name, value in {**headers, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, pieces: Iterable[bytes], pause: float, *, whole: bool = True) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(pause)
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True


@contextmanager
def model_server(respond: Respond | None = None, port: int = 0) -> Iterator[ModelServer]:
    """Run a server in a thread."""
    server = ModelServer(port, respond)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
