"""Heartbeats with their token checked and stored, against a bare JSON echo on the same server.

    python -m bench.heartbeats [--seconds 10] [--connections 64] [--agents 1000]

Both run as one uvicorn process with uvloop and httptools, one after the other, three times in turn,
and are called by the same client on keep-alive connections.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiwm_controller.database import Database
from aiwm_controller.models import Agent, Organization, Presence, new_id
from aiwm_controller.settings import database_url
from aiwm_controller.state import signing_key
from aiwm_controller.tokens import Bearer, Tokens
from sqlalchemy import insert

from tests.support.served import Server, command, free_port

ECHO = """
import json
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    said = json.dumps(json.loads(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})
import uvicorn
uvicorn.run(app, port=PORT, loop="uvloop", http="httptools", access_log=False, log_level="error",
            lifespan="off", server_header=False)
"""
BODY = b'{"status":"online","version":"1.0.0","metrics":{"uptime":3600,"memoryUsage":120}}'


@dataclass
class Load:
    """What one run of a client saw; times in seconds."""

    times: list[float] = field(default_factory=list)
    bad: int = 0


async def drive(port: int, requests: list[bytes], connections: int, seconds: float) -> Load:
    """Send requests in turn on so many connections, each waiting for its answer."""
    load = Load()
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = number
        while (begin := time.perf_counter()) < end:
            writer.write(requests[place % len(requests)])
            place += connections
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            load.times.append(time.perf_counter() - begin)
            load.bad += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return load


def request(path: str, token: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    return head.encode() + BODY


async def plant(url: str, count: int) -> list[bytes]:
    """Put agents into the database, and give a heartbeat of each."""
    database, now = Database(database_url(url)), datetime.now(UTC)
    async with database.write() as session:
        tokens = Tokens(await signing_key(session, make=False) or "")
        org = Organization(name="bench", created_at=now)
        session.add(org)
        await session.flush()
        ids = [new_id() for _ in range(count)]
        fields = {
            "org_id": org.id, "created_at": now, "updated_at": now, "type": "autonomous",
            "status": "active", "role": "organization.viewer", "allowed_tool_ids": [], "tags": [],
            "settings": {}, "details": {},
        }  # fmt: skip
        await session.execute(insert(Agent), [{"id": i, "name": i, **fields} for i in ids])
        await session.execute(insert(Presence), [{"agent_id": i} for i in ids])
    await database.close()
    bearers = [Bearer("agent", i, org.id, ("organization.viewer",), 0, f"agent:{i}") for i in ids]
    signed = [(b.id, tokens.issue(b, now=now, seconds=86_400)) for b in bearers]
    return [request(f"/agents/{agent}/heartbeat", token) for agent, token in signed]


@contextmanager
def echoing() -> Iterator[tuple[int, int]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", ECHO.replace("PORT", str(port))])
    time.sleep(3)
    try:
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def busy(pid: int) -> float:
    """Give the seconds of a core that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--agents", type=int, default=1000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, echoing() as echo:
        url = f"sqlite:///{name}/controller.db"
        command("init", "--email", "bench@example.com", database=url)
        requests = asyncio.run(plant(url, chosen.agents))
        server = Server(url, Path(name) / "log")
        server.start()
        rates: dict[str, list[float]] = {"echo": [], "heartbeat": []}
        for _ in range(3):
            assert server.process is not None
            servers = (("echo", *echo), ("heartbeat", server.port, server.process.pid))
            for what, port, pid in servers:
                before = busy(pid)
                load = asyncio.run(drive(port, requests, chosen.connections, chosen.seconds))
                rates[what].append(len(load.times) / chosen.seconds)
                slow = statistics.quantiles(load.times, n=100)[98] * 1000
                core = (busy(pid) - before) / len(load.times) * 1e6
                said = f"{rates[what][-1]:8.0f}/s  p99 {slow:6.1f} ms  bad {load.bad}"
                print(f"{what:10} {said}  {core:6.0f} µs of a core each")
        server.kill()
        best = {what: max(found) for what, found in rates.items()}
        print(f"ratio {best['heartbeat'] / best['echo']:.2f}")


if __name__ == "__main__":
    main()
