"""A forward proxy for HTTP and, by CONNECT, for TLS: it alone knows the stores behind it."""

from __future__ import annotations

import http.client
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_PASSED_ON = ("Content-Length", "Content-Range", "Content-Type", "ETag", "Date")


@contextmanager
def forward_proxy(address: str, stores: Mapping[str, str]) -> Iterator[str]:
    """Run a proxy at `address` while the block runs; gives its URL.

    `stores` are the netlocs of stores by the host names that clients ask it for.
    """
    server = _Server((address, 0), _handler(stores))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://{address}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients are interrupted on purpose."""


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Hand on what comes until it ends, then say that it has ended."""
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _handler(stores: Mapping[str, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)  # a proxy is asked for the whole address
            upstream = http.client.HTTPConnection(stores[asked.netloc], timeout=120)
            wanted = {"Range": self.headers["Range"]} if self.headers["Range"] else {}
            upstream.request("GET", asked.path, headers=wanted)
            answer = upstream.getresponse()
            self.send_response_only(answer.status)
            for name in _PASSED_ON:
                if answer.headers[name]:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            shutil.copyfileobj(answer, self.wfile, 4096)
            upstream.close()

        def do_CONNECT(self) -> None:
            host, _, port = stores[self.path.removesuffix(":443")].partition(":")
            with socket.create_connection((host, int(port))) as upstream:
                self.send_response_only(200)
                self.end_headers()
                back = threading.Thread(target=_pass_on, args=(upstream, self.connection))
                back.start()
                _pass_on(self.connection, upstream)
                back.join()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
