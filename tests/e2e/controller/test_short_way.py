"""Heartbeats over plain sockets: whichever way they go, the answers are the same."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.crowd import drive, heartbeats, plant, request
from tests.support.served import Server, serving

GOOD = b'{"status":"online","version":"1.0.0"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("short")
    with serving(f"sqlite:///{folder}/controller.db", folder / "log") as found:
        yield found


@dataclass
class Answer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        """Give the JSON, without what differs from one answer to the next."""
        said = json.loads(self.body)
        said.pop("correlationId", None)
        said.pop("nextHeartbeat", None)
        return said


class Line:
    """A connection."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection((server.address, server.port), timeout=20)
        self._file = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> Answer:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return Answer(status, headers, self._file.read(int(headers["content-length"])))

    def goes_on(self) -> bool:
        return self._file.readline() + self._file.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"

    def is_over(self) -> bool:
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    found = Line(server)
    yield found
    found.close()


@pytest.fixture(scope="module")
def agent(server: Server) -> tuple[str, str]:
    made, _, token = server.connected("agent")
    return made, token


def beat(agent: tuple[str, str], body: bytes = GOOD, *headers: str) -> bytes:
    whole = request(f"/agents/{agent[0]}/heartbeat", agent[1], body)
    return whole.replace(b"\r\n", "\r\n".join(("", *headers, "")).encode(), 1)


def chunked(agent: tuple[str, str], body: bytes = GOOD) -> bytes:
    """Give the same for the whole way: what does not say its size first goes there."""
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", beat(agent, b""))
    return head + (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


def test_a_heartbeat_is_answered_the_same(line: Line, agent: tuple[str, str]) -> None:
    answers = []
    for data in (beat(agent), chunked(agent)):
        line.send(data)
        answers.append(line.answer())
    short, whole = answers
    assert (short.status, short.said) == (whole.status, whole.said)
    assert short.headers.keys() == whole.headers.keys()
    assert short.said == {"success": True, "acknowledged": True, "configVersion": 1}
    same = {"content-type", "content-length"}
    assert [short.headers[each] for each in same] == [whole.headers[each] for each in same]


def test_plain_heartbeats_go_the_short_way(server: Server, agent: tuple[str, str]) -> None:
    """Only what goes the whole way is timed, as are the questions for the metrics themselves."""
    before = timed(server)
    for data, count in ((beat(agent), 1), (chunked(agent), 6)):
        line = Line(server)
        for _ in range(5):
            line.send(data)
            assert line.answer().status == 200
        line.close()
        after = timed(server)
        assert after - before == count
        before = after


def timed(server: Server) -> int:
    return count(server, "aiwm_http_request_seconds_count")


def count(server: Server, name: str) -> int:
    line = Line(server)
    head = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    line.send(head.encode())
    found = re.search(rf"^{name} (\d+)".encode(), line.answer().body, re.MULTILINE)
    line.close()
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"status":"asleep"}', b'{"status":"online","configVersion":-1}', b"\xff"],
)
def test_a_body_is_refused_the_same(line: Line, agent: tuple[str, str], body: bytes) -> None:
    line.send(beat(agent, body) + chunked(agent, body))
    short, whole = line.answer(), line.answer()
    assert (short.status, short.said) == (whole.status, whole.said)
    assert short.status in {400, 422}


def test_a_caller_is_refused_the_same(server: Server, line: Line, agent: tuple[str, str]) -> None:
    other, _, others = server.connected("other")
    gone, _, goner = server.connected("gone")
    server.call("DELETE", f"/agents/{gone}")
    shut, _, shuts = server.connected("shut")
    server.call("PUT", f"/agents/{shut}", {"status": "suspended"})
    statuses = []
    for caller in (
        (agent[0], "nonsense"), (agent[0], others), (other, server.token), ("none", others),
        (gone, goner), (shut, shuts),
    ):  # fmt: skip
        line.send(beat(caller) + chunked(caller))
        short, whole = line.answer(), line.answer()
        assert (short.status, short.said) == (whole.status, whole.said), caller
        assert short.headers["x-correlation-id"]
        statuses.append(short.status)
    assert statuses == [401, 403, 401, 403, 404, 401]


def other_path(agent: tuple[str, str], path: str, body: bytes = GOOD) -> bytes:
    return beat(agent, body).replace(f"/{agent[0]}/heartbeat".encode(), f"/{path}".encode(), 1)


@pytest.mark.parametrize("path", ["%{first:02x}{rest}/heartbeat", "{id}/connect?shape=/heartbeat"])
def test_an_address_is_read_the_same(line: Line, agent: tuple[str, str], path: str) -> None:
    made = agent[0]
    data = other_path(agent, path.format(id=made, first=ord(made[0]), rest=made[1:]))
    whole = re.sub(rb"Content-Length: \d+\r\n\r\n.*", b"Transfer-Encoding: chunked\r\n\r\n", data)
    for sent in (data, whole + b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)):
        line.send(sent)
        answer = line.answer()
        assert answer.status == (422 if "?" in path else 200), answer


@pytest.mark.parametrize(
    ("more", "status"),
    [("Authorization: Bearer other", 401), ("Content-Type: text/plain", 422)],
)
def test_what_is_said_twice_counts_the_same(
    line: Line, agent: tuple[str, str], more: str, status: int
) -> None:
    whole = chunked(agent).replace(b"\r\n", f"\r\n{more}\r\n".encode(), 1)
    for sent in (beat(agent, GOOD, more), whole):
        line.send(sent)
        assert line.answer().status == status


def test_another_kind_of_body_is_refused_the_same(line: Line, agent: tuple[str, str]) -> None:
    for sent in (beat(agent), chunked(agent)):
        line.send(sent.replace(b"application/json", b"text/plain"))
        assert line.answer().status == 422


def test_what_is_refused_was_tried_once(server: Server, line: Line) -> None:
    shut, _, token = server.connected("once")
    server.call("PUT", f"/agents/{shut}", {"status": "suspended"})
    before = count(server, "aiwm_heartbeat_batch_size_count")
    for number in range(1, 4):
        line.send(beat((shut, token)))
        assert line.answer().status == 401
        assert count(server, "aiwm_heartbeat_batch_size_count") == before + number


def test_in_pieces(line: Line, agent: tuple[str, str]) -> None:
    for byte in beat(agent):
        line.send(bytes([byte]))
    assert line.answer().status == 200


def test_many_at_once_are_answered_in_their_order(line: Line, agent: tuple[str, str]) -> None:
    health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    marked = [beat(agent, GOOD, f"X-Correlation-Id: mine-{number}") for number in range(4)]
    bad = beat(agent, b"{", "X-Correlation-Id: bad")
    line.send(marked[0] + health + marked[1] + marked[2] + bad + health + marked[3])
    answers = [line.answer() for _ in range(7)]
    assert [each.status for each in answers] == [200, 200, 200, 200, 422, 200, 200]
    ids = [answers[place].headers["x-correlation-id"] for place in (0, 2, 3, 4, 6)]
    assert ids == ["mine-0", "mine-1", "mine-2", "bad", "mine-3"]
    assert b'"status"' in answers[1].body


@pytest.mark.parametrize("header", ["Connection: close", "Expect: 100-continue", "Upgrade: h2c"])
def test_connections_are_kept_as_asked(line: Line, agent: tuple[str, str], header: str) -> None:
    line.send(beat(agent, GOOD, header))
    if header.startswith("Expect"):
        assert line.goes_on()
    assert line.answer().status == 200
    if header == "Connection: close":
        assert line.is_over()
    else:
        line.send(beat(agent))
        assert line.answer().status == 200


def test_an_old_client(line: Line, agent: tuple[str, str]) -> None:
    line.send(beat(agent).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert line.answer().status == 200
    assert line.is_over()


def test_nonsense_after_a_heartbeat_ends_the_connection(
    server: Server, line: Line, agent: tuple[str, str]
) -> None:
    line.send(beat(agent) + b"nonsense\r\n\r\n")
    assert line.answer().status in {200, 400}
    line.close()
    again = Line(server)
    again.send(beat(agent))
    assert again.answer().status == 200
    again.close()


def test_an_idle_connection_is_closed(line: Line, agent: tuple[str, str]) -> None:
    line.send(beat(agent))
    assert line.answer().status == 200
    assert line.is_over()


def test_who_hangs_up_at_once_was_heard(server: Server) -> None:
    agent, _, token = server.connected("hasty")
    for number in range(30):
        hasty = Line(server)
        hasty.send(beat((agent, token), b'{"status":"online","version":"0.%d"}' % number))
        hasty.close()
    end = time.monotonic() + 20
    while len(server.call("GET", f"/agents/{agent}/heartbeats")["heartbeats"]) < 30:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_end_waits_for_what_is_under_way(tmp_path: Path) -> None:
    """Whoever was answered is in the database, and nobody is left without an answer."""
    url = f"sqlite:///{tmp_path}/controller.db"
    with serving(url, tmp_path / "log") as server:
        planted = asyncio.run(plant(url, 50))
        requests = heartbeats(planted)

        async def story() -> list[bytes]:
            streams = [await asyncio.open_connection("127.0.0.1", server.port) for _ in planted]
            for (_, writer), each in zip(streams, requests, strict=True):
                writer.write(each)
            await asyncio.sleep(0.05)
            assert server.process is not None
            server.process.terminate()
            answers = [await reader.read() for reader, _ in streams]
            for _, writer in streams:
                writer.close()
            return answers

        answers = asyncio.run(story())
        assert server.stop() == 0
        assert all(each.startswith(b"HTTP/1.1 200 ") for each in answers)
        server.start()
        for agent, _ in planted:
            assert len(server.call("GET", f"/agents/{agent}/heartbeats")["heartbeats"]) == 1


def writer_of(server: Server) -> int:
    """Give the process that writes for a controller on SQLite."""
    assert server.process is not None
    pid = server.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert b"aiwm_controller.beat_process" in Path(f"/proc/{child}/cmdline").read_bytes()
    return int(child)


def test_a_writer_that_is_killed_is_started_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/controller.db"
    with serving(url, tmp_path / "log") as server:
        planted = asyncio.run(plant(url, 100))
        requests = heartbeats(planted)
        assert asyncio.run(drive(server.port, requests, 20, 20, once=True)).bad == 0
        os.kill(writer_of(server), signal.SIGKILL)  # while nothing is asked of it
        time.sleep(0.2)
        assert asyncio.run(drive(server.port, requests, 20, 20, once=True)).bad == 0

        async def story() -> int:
            load = asyncio.create_task(drive(server.port, requests, 20, 2))
            for _ in range(5):
                await asyncio.sleep(0.3)
                os.kill(writer_of(server), signal.SIGKILL)
            ended = await load
            assert ended.bad <= 5 * 20, "none but those that were under way"
            return len(ended.times) - ended.bad + 200

        acknowledged = asyncio.run(story())
        beats = _stored(tmp_path / "controller.db")
        assert acknowledged <= beats <= acknowledged + 5 * 20
        last = writer_of(server)
        assert server.stop() == 0
        assert not Path(f"/proc/{last}").exists()


def _stored(file: Path) -> int:
    with sqlite3.connect(file) as database:
        found: int = database.execute("SELECT sum(beats) FROM presences").fetchone()[0]
    return found


def test_the_writer_ends_with_a_controller_that_is_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/controller.db"
    with serving(url, tmp_path / "log") as server:
        agent, _, token = server.connected("agent")
        line = Line(server)
        line.send(beat((agent, token)))
        assert line.answer().status == 200
        line.close()
        writer = writer_of(server)
        assert server.process is not None
        os.kill(writer, signal.SIGTERM)  # what systemd sends to all of a service
        os.kill(server.process.pid, signal.SIGKILL)
        end = time.monotonic() + 20
        while Path(f"/proc/{writer}/exe").exists():
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_writer_that_just_begins_ignores_signals(tmp_path: Path, number: signal.Signals) -> None:
    """A signal to all of a service comes when it comes, and who was heard is answered."""
    with serving(f"sqlite:///{tmp_path}/controller.db", tmp_path / "log") as server:
        agent, _, token = server.connected("agent")
        line = Line(server)
        line.send(beat((agent, token)))
        writer = _begun(server)
        os.kill(writer, number)
        assert line.answer().status == 200
        line.close()
        assert writer_of(server) == writer


def _begun(server: Server) -> int:
    assert server.process is not None
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    end = time.monotonic() + 20
    while not (found := children.read_text().split()):
        assert time.monotonic() < end
    return int(found[0])


def test_a_second_interrupt_waits_for_nobody(tmp_path: Path) -> None:
    file = tmp_path / "controller.db"
    with serving(f"sqlite:///{file}", tmp_path / "log") as server:
        agent, _, token = server.connected("agent")
        line = Line(server)
        line.send(beat((agent, token)))
        assert line.answer().status == 200
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            line.send(beat((agent, token)))
            time.sleep(0.3)
            assert server.process is not None
            for _ in range(2):
                os.killpg(server.process.pid, signal.SIGINT)
                time.sleep(0.5)
            server.process.wait(10)
        line.close()
        server.start()
        assert len(server.call("GET", f"/agents/{agent}/heartbeats")["heartbeats"]) == 1


def test_a_writer_left_alone_ends_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "controller.db"
    with serving(f"sqlite:///{file}", tmp_path / "log") as server:
        agent, _, token = server.connected("agent")
        line = Line(server)
        line.send(beat((agent, token)))
        assert line.answer().status == 200
        writer = writer_of(server)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            line.send(beat((agent, token)))
            time.sleep(0.3)
            assert server.process is not None
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
        line.close()
        end = time.monotonic() + 20
        while Path(f"/proc/{writer}/exe").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert "Traceback" not in server.log.read_text()
