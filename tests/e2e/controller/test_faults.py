"""The controller after a kill, with a full disk, beside another one, and met by a crowd."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.crowd import drive, heartbeats, plant
from tests.support.http import HTTP
from tests.support.need import need
from tests.support.served import Server, command, serving


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def beat(server: Server, agent: str, token: str, version: str) -> httpx2.Response:
    return HTTP.post(
        f"{server.url}/agents/{agent}/heartbeat",
        json={"status": "online", "version": version},
        headers={"Authorization": f"Bearer {token}"},
    )


def newest(server: Server, agent: str) -> str:
    found: str = server.call("GET", f"/agents/{agent}/heartbeats")["heartbeats"][0]["version"]
    return found


@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
def test_a_log_that_was_left_behind_is_read(tmp_path: Path, log: Path, torn: bool) -> None:
    file = tmp_path / "controller.db"
    with serving(f"sqlite:///{file}", log) as server:
        agent, _, token = server.connected("agent")
        assert beat(server, agent, token, "1.2.3").status_code == 200
        server.kill()
        wal = file.with_name("controller.db-wal")
        assert wal.stat().st_size > 0, "what was written last is in the log alone"
        if torn:  # the kill came in the middle of the next write
            with wal.open("ab") as end:
                end.write(os.urandom(3000))
        server.start()
        assert newest(server, agent) == "1.2.3"
        assert beat(server, agent, token, "1.2.4").status_code == 200
        assert server.stop() is not None
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_restart_brings_no_herd(database: str, log: Path) -> None:
    with serving(database, log) as server:
        server.kill()
        requests = heartbeats(asyncio.run(plant(database, 2000)))
        server.start()
        load = asyncio.run(drive(server.port, requests, 100, 120, once=True))
        assert (len(load.times), load.bad) == (2000, 0), "tokens hold over a restart"
        said = HTTP.get(f"{server.url}/metrics").text
        assert 'aiwm_connects_total{outcome="accepted"}' not in said, "nobody connects again"
        waits = Counter(json.loads(body)["nextHeartbeat"] for body in load.answers)
        assert min(waits) >= 30
        assert max(waits) <= 60
        assert max(waits.values()) < 400, f"they come again at once: {waits}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    need(done.returncode == 0, f"a file system can't be mounted here, only by root: {done.stderr}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_and_passes(small_disk: Path, log: Path) -> None:
    with serving(f"sqlite:///{small_disk}/controller.db", log) as server:
        agent, _, token = server.connected("agent")
        assert beat(server, agent, token, "1").status_code == 200
        ballast = small_disk / "ballast"
        fill(ballast)
        answer, last = first_refusal(server, agent, token)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "database or disk is full" in log.read_text()
        created = HTTP.post(
            f"{server.url}/agents",
            json={"name": "x", "type": "autonomous", "description": "x" * 90_000},
            headers={"Authorization": f"Bearer {server.token}"},
        )
        assert created.status_code == 503
        assert newest(server, agent) == last, "what there is can still be read"
        ballast.unlink()
        assert beat(server, agent, token, "3").status_code == 200
        assert newest(server, agent) == "3"


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            return


def first_refusal(server: Server, agent: str, token: str) -> tuple[httpx2.Response, str]:
    """Send heartbeats until one is refused: the log may have some room in it already."""
    last = "1"
    for number in range(2000):
        answer = beat(server, agent, token, f"2.{number}")
        if answer.status_code != 200:
            return answer, last
        last = f"2.{number}"
    raise AssertionError("the disk was never full")


def test_a_second_controller_is_refused(tmp_path: Path, log: Path) -> None:
    url = f"sqlite:///{tmp_path}/controller.db"
    with serving(url, log) as server:
        with pytest.raises(AssertionError, match=r"another controller serves from .*controller.db"):
            command("serve", "--port", "0", database=url)
        other = f"sqlite:///{tmp_path}/other.db"
        command("init", "--email", "owner@example.com", database=other)
        port = str(server.port)
        with pytest.raises(AssertionError, match=f"port {port} of 127.0.0.1 can't be listened on"):
            command("serve", "--port", port, database=other)
        assert HTTP.get(f"{server.url}/health").status_code == 200
        server.kill()
        server.start()  # a kill lets go of the file


def test_a_kill_in_a_crowd_loses_nothing(database: str, log: Path) -> None:
    """Batches of many agents: what was acknowledged of any of them is there."""
    with serving(database, log) as server:
        planted = asyncio.run(plant(database, 300))
        acknowledged = asyncio.run(_until_it_dies(server, heartbeats(planted)))
        assert sum(acknowledged) > 300
        server.start()
        for (agent, token), count in list(zip(planted, acknowledged, strict=True))[::25]:
            kept = server.call("GET", f"/agents/{agent}/heartbeats", token=token)["heartbeats"]
            assert min(count, 120) <= len(kept) <= count + 1


async def _until_it_dies(server: Server, requests: list[bytes]) -> list[int]:
    acknowledged = [0] * len(requests)

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            while True:
                writer.write(requests[number])
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                acknowledged[number] += head.startswith(b"HTTP/1.1 200")
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def kill() -> None:
        end = time.monotonic() + 60
        while sum(acknowledged) < 3 * len(requests) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        server.kill()

    await asyncio.gather(kill(), *(one(number) for number in range(len(requests))))
    return acknowledged
