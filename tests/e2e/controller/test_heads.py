"""Who sends a request without an end, before anybody knows who that is."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.http import HTTP
from tests.support.served import Server, serving

FIRST = b"POST /auth/login HTTP/1.1\r\nHost: x\r\n"
HEADER = b"X-Some: " + b"a" * 1000 + b"\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("heads")
    with serving(f"sqlite:///{folder}/controller.db", folder / "log") as found:
        yield found


def answered(server: Server, *parts: bytes) -> bytes:
    """Send a megabyte at most, as long as it is taken; give what is answered."""
    with socket.create_connection((server.address, server.port), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before it had all
        try:
            return connection.recv(65_536)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize(
    "parts",
    [
        [FIRST, *[HEADER] * 1000],
        [FIRST, b"X-Some: ", *[b"a" * 1000] * 1000],
        [b"GET /", *[b"a" * 1000] * 1000],
        [FIRST, b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", *[HEADER] * 1000],
    ],
    ids=["headers", "one header", "address", "trailers"],
)
def test_a_head_without_an_end_is_refused(server: Server, parts: list[bytes]) -> None:
    assert answered(server, *parts)[:12] in {b"", b"HTTP/1.1 400"}
    assert server.process is not None
    assert HTTP.get(f"{server.url}/health").status_code == 200


def test_a_large_head_is_taken(server: Server) -> None:
    with httpx2.Client(base_url=server.url, headers={"X-Some": "a" * 30_000}) as client:
        for _ in range(5):  # on one connection: each counts by itself
            assert client.get("/health", timeout=60).status_code == 200


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Server]:
    """Give one that waits for half a second, where it waits for half a minute else."""
    code = (
        "import sys, aiwm_controller.protocol as protocol; protocol.SECONDS = 0.5\n"
        "from aiwm_controller.cli import main; main(sys.argv[1:])"
    )
    with serving(f"sqlite:///{tmp_path}/controller.db", tmp_path / "log") as server:
        server.kill()
        arguments = ["serve", "--port", str(server.port), "--database", server.database]
        with subprocess.Popen([sys.executable, "-c", code, *arguments]) as process:
            try:
                _wait_for(server)
                yield server
            finally:
                process.terminate()


def test_a_head_that_does_not_come_is_left(impatient: Server) -> None:
    for sent in (b"", FIRST, FIRST + HEADER):
        assert answered(impatient, sent) == b""
    assert HTTP.get(f"{impatient.url}/health").status_code == 200


def test_a_body_that_does_not_come_is_left(impatient: Server) -> None:
    for head in (b"Content-Length: 50\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n"):
        assert answered(impatient, FIRST + head) == b""
    with socket.create_connection((impatient.address, impatient.port), timeout=20) as connection:
        begin = time.monotonic()
        try:
            connection.sendall(FIRST + b"Content-Length: 500\r\n\r\n")
            while time.monotonic() - begin < 10:
                connection.sendall(b"{")  # ever more, and ever too little
                time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - begin < 10
    assert HTTP.get(f"{impatient.url}/health").status_code == 200


def test_empty_lines_hold_no_connection(impatient: Server) -> None:
    """They end the time that an idle connection has, and begin nothing."""
    early = FIRST + b"Content-Length: 2000000\r\n\r\n"  # refused before it is there
    for sent, more in ((b"GET /health HTTP/1.1\r\n\r\n", b"\r\n"), (early, b"\0" * 2_000_000)):
        with socket.create_connection((impatient.address, impatient.port), timeout=4) as connection:
            connection.sendall(sent)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 ")
            connection.sendall(more)
            while connection.recv(65_536):
                """Wait for its end, for less than an idle connection has."""


def test_requests_without_an_end_fill_no_memory(server: Server) -> None:
    """Whoever reads no answers, and asks all the same, is not listened to for long."""
    before = _megabytes(server)
    asked = b"GET /none HTTP/1.1\r\n\r\n" * 1_000_000
    with socket.create_connection((server.address, server.port), timeout=5) as connection:
        with pytest.raises(TimeoutError):
            connection.sendall(asked)
        assert _megabytes(server) - before < 150


def test_requests_that_wait_for_their_turn_are_not_late(impatient: Server) -> None:
    """The end of what came is read when its turn comes, and not counted as late before."""
    login = b'{"email":"a@example.com","password":"none"}'
    slow = FIRST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(login)
    with socket.create_connection((impatient.address, impatient.port), timeout=20) as connection:
        connection.sendall((slow + login) * 9 + b"GET /health HTTP/1.1\r\n")
        time.sleep(0.1)
        connection.sendall(b"\r\n")
        with connection.makefile("rb") as answers:
            assert answers.read().count(b"HTTP/1.1 ") == 10


def _megabytes(server: Server) -> int:
    assert server.process is not None
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    raise AssertionError("the kernel does not say")


def _wait_for(server: Server) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((server.address, server.port), timeout=5).close()
        except OSError:
            assert time.monotonic() < end, "it never listened"
            time.sleep(0.1)
        else:
            return
