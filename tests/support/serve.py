"""An HTTP server over a directory, with a log of what was asked and faults that a test switches."""

import email.utils
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal
from urllib.parse import unquote, urlsplit

from tests.support.byte_ranges import Span, parse_range, read_span
from tests.support.loopback import Served

# As socketserver has them: the pair is of datagrams, which are not served here.
_Connection = socket.socket | tuple[bytes, socket.socket]
_Address = tuple[str, int] | str


@dataclass(frozen=True)
class Request:
    """A request that was answered; `status` is the one sent."""

    method: str
    path: str
    range: str | None
    status: int


@dataclass
class Fault:
    """What goes wrong for paths that end in `suffix`, `left` more times (always when None)."""

    kind: Literal["fail", "truncate", "tamper", "hang"]
    suffix: str
    left: int | None = None
    status: int = 200
    after: int = 0
    retry_after: str = ""


class StoreServer(Served):
    """Serves the files under `root` for as long as its `with` block lasts.

    Bind it to `HostNetwork.gateway` for hosts to reach it; to loopback for tests without hosts.
    Byte ranges and If-Range are served (RFC 9110, sections 13.1.5 and 14). It is TLS where `tls`
    is given, and it sends no listing of a directory.

    With `wanted_header`, a name and a value, or `wants_signature`, it is a private store, which
    answers 403 to who lacks that. With `redirects_to`, an origin, it has each file elsewhere.
    Its clock is `clock_ahead` seconds ahead.
    `seen` are all headers that ever came.
    """

    def __init__(
        self, root: Path, address: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.root = root.resolve()
        self.requests: list[Request] = []
        self.hanging = threading.Event()
        self.seen: list[tuple[str, str]] = []
        self.wanted_header: tuple[str, str] | None = None
        self.wants_signature = False
        self.redirects_to = ""
        self.clock_ahead = 0.0
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        super().__init__(_handler(self), address, tls=tls)

    def fail(
        self,
        status: int,
        *,
        path_suffix: str = "",
        times: int | None = None,
        retry_after: str = "",
    ) -> None:
        """Answer with `status` and no file, `times` times; always when None."""
        self._add(Fault("fail", path_suffix, left=times, status=status, retry_after=retry_after))

    def truncate(self, path_suffix: str, *, after: int, times: int | None = None) -> None:
        """Promise the whole length, send `after` bytes and close."""
        self._add(Fault("truncate", path_suffix, left=times, after=after))

    def tamper(self, path_suffix: str, *, times: int | None = None) -> None:
        """Flip one bit in the middle of the file; its length stays."""
        self._add(Fault("tamper", path_suffix, left=times))

    def hang(self, path_suffix: str, *, after: int = 0, times: int | None = None) -> None:
        """Send `after` bytes and then nothing, keeping the connection, until `heal`.

        The event `hanging` is set once a client waits.
        """
        self._add(Fault("hang", path_suffix, left=times, after=after))

    def heal(self) -> None:
        """Take all faults back; connections that hang are closed."""
        with self._lock:
            self._faults.clear()
            self._released.set()
            self._released = threading.Event()
            self.hanging.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.heal()
        super().__exit__(kind, error, trace)

    def _made(self, address: str, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
        return _Server((address, 0), handler)

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def take_fault(self, path: str) -> Fault | None:
        """Return the first fault meant for `path`, counted down."""
        with self._lock:
            for fault in self._faults:
                if path.endswith(fault.suffix) and fault.left != 0:
                    fault.left = None if fault.left is None else fault.left - 1
                    return fault
        return None

    def wait_for_heal(self) -> None:
        """Hold a connection until the faults are taken back."""
        with self._lock:
            released = self._released
        self.hanging.set()
        released.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for them
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: _Connection, client_address: _Address) -> None:
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Connection) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: _Connection, client_address: _Address) -> None:
        """Say nothing of clients that vanish: they are what the tests are about."""
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Close all connections first, so that no thread waits for a client that is gone."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # closed by the client in this moment
                continue
        super().server_close()


def _handler(store: StoreServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + store.clock_ahead)

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            store.seen.extend(self.headers.items())
            if store.redirects_to:
                self._redirect(path)
                return
            if not self._let_in():
                self._refuse(path, HTTPStatus.FORBIDDEN)
                return
            fault = store.take_fault(path)
            file = (store.root / path.lstrip("/")).resolve()
            if fault and fault.kind == "fail":
                self._refuse(path, HTTPStatus(fault.status), fault.retry_after)
            elif not file.is_relative_to(store.root) or not file.is_file():
                self._refuse(path, HTTPStatus.NOT_FOUND)
            else:
                self._send(path, file, fault)

        def _let_in(self) -> bool:
            if store.wants_signature and "X-Amz-Signature=" not in self.path:
                return False
            name, value = store.wanted_header or ("", None)
            return value is None or self.headers[name] == value

        def _redirect(self, path: str) -> None:
            self._log(path, HTTPStatus.FOUND)
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", store.redirects_to + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _refuse(self, path: str, status: HTTPStatus, retry_after: str = "") -> None:
            self._log(path, status)
            body = f"{status.value} {status.phrase}\n".encode()
            self.send_response(status)
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def _send(self, path: str, file: Path, fault: Fault | None) -> None:
            facts = file.stat()
            etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
            asked = self.headers["Range"]
            if self.headers["If-Range"] not in (None, etag):
                asked = None
            part = parse_range(asked, facts.st_size) if asked else (0, facts.st_size - 1)
            if part is None:
                self._refuse(path, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                return
            status = HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK
            self._log(path, status)
            self.send_response(status)
            span = Span(*part, size=facts.st_size)
            self._describe(span, etag, facts.st_mtime, status)
            if self.command == "GET":
                with file.open("rb") as source:
                    self._body(source, span, fault)

        def _describe(self, span: Span, etag: str, modified: float, status: HTTPStatus) -> None:
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(span.length))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", email.utils.formatdate(modified, usegmt=True))
            if status is HTTPStatus.PARTIAL_CONTENT:
                self.send_header("Content-Range", f"bytes {span.first}-{span.last}/{span.size}")
            self.end_headers()

        def _body(self, source: BinaryIO, span: Span, fault: Fault | None) -> None:
            kind = fault.kind if fault else None
            limit = fault.after if fault and kind in ("truncate", "hang") else span.length
            for chunk in read_span(source, span, limit, flip=kind == "tamper"):
                self.wfile.write(chunk)
            if kind == "hang":
                self.wfile.flush()
                store.wait_for_heal()
            if kind in ("hang", "truncate"):
                self.close_connection = True

        def _log(self, path: str, status: HTTPStatus) -> None:
            seen = Request(self.command, path, self.headers["Range"], status.value)
            store.requests.append(seen)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing; `requests` has it."""

    return Handler
