"""Many agents at once: put straight into the database, and heard through plain sockets."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiwm_controller.database import Database
from aiwm_controller.kept_keys import signing_key
from aiwm_controller.models import Agent, Organization, Presence, new_id
from aiwm_controller.settings import database_url
from aiwm_controller.tokens import Bearer, Tokens
from sqlalchemy import insert, select

BODY = b'{"status":"online","version":"1.0.0","metrics":{"uptime":3600,"memoryUsage":120}}'


def request(path: str, token: str, body: bytes = BODY) -> bytes:
    """Give the bytes of a POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def plant(url: str, count: int, *, secret_hash: str | None = None) -> list[tuple[str, str]]:
    """Put agents into the first organization, and give the id and a token of each."""
    database, now = Database(database_url(url)), datetime.now(UTC)
    async with database.write() as session:
        tokens = Tokens(await signing_key(session, make=False) or "")
        org_id = await session.scalar(select(Organization.id).limit(1)) or ""
        ids = [new_id() for _ in range(count)]
        fields = {
            "org_id": org_id, "created_at": now, "updated_at": now, "type": "autonomous",
            "status": "active", "role": "organization.viewer", "allowed_tool_ids": [], "tags": [],
            "settings": {}, "details": {}, "secret_hash": secret_hash,
        }  # fmt: skip
        for first in range(0, count, 5000):
            some = ids[first : first + 5000]
            await session.execute(insert(Agent), [{"id": i, "name": i, **fields} for i in some])
            await session.execute(insert(Presence), [{"agent_id": i} for i in some])
    await database.close()
    bearers = [Bearer("agent", i, org_id, ("organization.viewer",), 0, f"agent:{i}") for i in ids]
    return [(each.id, tokens.issue(each, now=now, seconds=86_400)) for each in bearers]


def heartbeats(planted: list[tuple[str, str]]) -> list[bytes]:
    """Give the bytes of a heartbeat of each agent."""
    return [request(f"/agents/{agent}/heartbeat", token) for agent, token in planted]


@dataclass
class Load:
    """What one run of a client saw; times in seconds."""

    times: list[float] = field(default_factory=list)
    bad: int = 0
    answers: list[bytes] = field(default_factory=list)


async def drive(
    port: int, requests: list[bytes], connections: int, seconds: float, *, once: bool = False
) -> Load:
    """Send requests in turn on so many connections, each waiting for its answer.

    `once` ends it when each request was sent, and keeps the answers.
    """
    load = Load()
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = number
        while (begin := time.perf_counter()) < end and not (once and place >= len(requests)):
            writer.write(requests[place % len(requests)])
            place += connections
            head, body = await _answer(reader)
            load.times.append(time.perf_counter() - begin)
            load.bad += not head.startswith(b"HTTP/1.1 200")
            if once:
                load.answers.append(body)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return load


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head, await reader.readexactly(length)
