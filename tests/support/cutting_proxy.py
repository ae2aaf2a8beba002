"""An HTTP proxy before a store that kills a client's process in place of its n-th request.

What only asks leaves a store as it was, and whoever looks at it then sees what was seen at the
kill before: so the requests that change something are the ones counted, and the one that follows
the file with which readers see it. With CRASH_POINTS=all it is each.
"""

import http.client
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Between two neighbours only (RFC 9110, section 7.6.1), or answered by this one itself.
_OWN = {"connection", "keep-alive", "transfer-encoding", "expect"}
ALL = os.environ.get("CRASH_POINTS") == "all"
_ASKING = frozenset() if ALL else frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Passed:
    """A request that the store answered."""

    method: str
    path: str
    status: int


@dataclass
class CuttingProxy:
    """What has passed; the process `pid` is killed in place of counted request number `kill_at`.

    What it asks when it is to be dead already is not answered.
    """

    url: str
    store: str
    pid: int = 0
    kill_at: int | None = None
    asked: int = 0
    passed: list[Passed] = field(default_factory=list)
    idle: threading.Condition = field(default_factory=threading.Condition)
    under_way: int = 0

    def reset(self, kill_at: int | None) -> None:
        """Wait until the store has answered all, and count anew."""
        with self.idle:
            self.idle.wait_for(lambda: self.under_way == 0, timeout=30)
            self.asked, self.passed, self.kill_at = 0, [], kill_at

    def let_pass(self, method: str) -> bool:
        """Count a request; kill in its place where it is the one."""
        with self.idle:
            counts = method not in _ASKING or self._just_shown()
            self.asked += counts
            if self.kill_at is not None and self.asked >= self.kill_at:
                if counts and self.asked == self.kill_at:
                    os.kill(self.pid, signal.SIGKILL)
                return False
            self.under_way += 1
            return True

    def _just_shown(self) -> bool:
        last = self.passed[-1] if self.passed else None
        return bool(last and last.method == "PUT" and last.path.endswith("/timestamp.json"))

    def note(self, passed: Passed | None) -> None:
        with self.idle:
            self.under_way -= 1
            if passed:
                self.passed.append(passed)
            self.idle.notify_all()


@contextmanager
def cutting_proxy(store: str) -> Iterator[CuttingProxy]:
    """Run a proxy on loopback before the store at the URL `store`, which has no TLS."""
    server = _Server(("127.0.0.1", 0), _Handler)
    proxy = CuttingProxy(f"http://127.0.0.1:{server.server_address[1]}", store)
    server.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of the connections that a killed client leaves."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else each body waits 40 ms until the client has acknowledged the headers.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        proxy: CuttingProxy = self.server.proxy  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not proxy.let_pass(self.command):
            self.close_connection = True
            return
        passed = None
        try:
            status, headers, data = self._ask(proxy.store, body)
            passed = Passed(self.command, self.path, status)
        finally:
            proxy.note(passed)
        self._answer(status, headers, data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's names

    def _ask(self, store: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(urlsplit(store).netloc, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OWN:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        try:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in {*_OWN, "content-length"}:
                    self.send_header(name, value)
            length = next((v for n, v in headers if n.lower() == "content-length"), len(data))
            self.send_header("Content-Length", str(length if self.command == "HEAD" else len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # the client was killed meanwhile

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
