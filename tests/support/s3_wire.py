"""A server that speaks just enough S3 to see what a client sends, or to answer with a fault."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Seen:
    """A request that came in; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class S3Wire:
    """What has come in, and what to answer with: a fault's status and code, or a file that is
    cut off after half of its bytes, or a success of a POST that carries the code of a fault, or
    the text of each other success."""

    url: str
    fault: tuple[int, str] | None = None
    cut: bytes = b""
    embedded: str = ""
    answer: str = ""
    seen: list[Seen] = field(default_factory=list)


@contextmanager
def s3_wire() -> Iterator[S3Wire]:
    """Run the server on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    _Handler.wire = S3Wire(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield _Handler.wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: S3Wire

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.wire.seen.append(Seen(self.command, self.path, headers, body))
        if self.wire.fault:
            status, code = self.wire.fault
            self._answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>")
        elif self.command == "GET" and self.wire.cut:
            self._answer_half(self.wire.cut)
        elif "uploads" in self.path:
            self._answer(200, _xml("InitiateMultipartUploadResult", UploadId="u"))
        elif self.command == "POST" and self.wire.embedded:
            self._answer(200, _xml("Error", Code=self.wire.embedded, Message="no"))
        elif self.command == "POST":
            self._answer(200, _xml("CompleteMultipartUploadResult", ETag="e"))
        else:
            self._answer(200, self.wire.answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's names

    def _answer(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/xml")
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(data)

    def _answer_half(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _xml(root: str, **fields: str) -> str:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<{root}>{inner}</{root}>"
