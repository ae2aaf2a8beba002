"""The fleet page with 10,000 agents, in a real Chromium: when it first paints.

python -m bench.controller.page [--agents 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiwm_controller.database import Database
from aiwm_controller.models import AgentTag, Presence
from aiwm_controller.settings import database_url
from sqlalchemy import bindparam, insert, update

from bench.controller.measured import conditions, sqlite, table, verdict
from tests.support.browser import Page, browser
from tests.support.crowd import plant
from tests.support.served import command

_PASSWORD = "a long password"
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]"
_TIMES = f"""
(n => [n.responseStart - n.requestStart, {_PAINT}.startTime, n.loadEventEnd, n.transferSize])(
  performance.getEntriesByType('navigation')[0])
"""


async def hear(url: str, ids: list[str]) -> None:
    """Let the agents have been heard, most of them just now, and have tags."""
    database, now = Database(database_url(url)), datetime.now(UTC)
    heard = [
        {
            "b_id": agent,
            "at": now - timedelta(seconds=number % 97 * (1 if number % 20 else 100)),
            "v": f"1.{number % 7}.0",
        }
        for number, agent in enumerate(ids)
    ]
    presences = Presence.__table__
    values = {"last_heartbeat_at": bindparam("at"), "version": bindparam("v"), "beats": 1}
    tags = [{"agent_id": agent, "tag": f"zone-{n % 12}"} for n, agent in enumerate(ids)]
    async with database.write() as session:
        connection = await session.connection()
        query = update(Presence).where(presences.c.agent_id == bindparam("b_id")).values(values)
        await connection.execute(query, heard)
        await connection.execute(insert(AgentTag), tags)
    await database.close()


def log_in(page: Page, url: str) -> None:
    page.open(f"{url}/login")
    page.wait("document.querySelector('input[name=password]')")
    page.write("ann@example.com")
    page.press("Tab")
    page.write(_PASSWORD)
    page.press("Enter", "\r")
    page.wait("document.querySelector('#live')")


def painted(page: Page, url: str) -> list[float]:
    """Open a page and give its times in ms, and its bytes."""
    page.open("about:blank#")
    page.send("Page.navigate", url=url)
    page.wait(f"location.href.startsWith('{url}') && document.readyState === 'complete'")
    page.wait(f"{_PAINT} && performance.getEntriesByType('navigation')[0].loadEventEnd")
    return [float(each) for each in page.run(_TIMES)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=10_000)
    chosen = parser.parse_args()
    with sqlite() as (_, server), tempfile.TemporaryDirectory() as name:
        command(
            *("user", "add", "--email", "ann@example.com", "--password-stdin"),
            database=server.database,
            stdin=_PASSWORD,
        )
        planted = asyncio.run(plant(server.database, chosen.agents))
        asyncio.run(hear(server.database, [agent for agent, _ in planted]))
        with browser(Path(name)) as page:
            page.look(width=1280, height=800, scheme="light")
            log_in(page, server.url)
            rows = []
            for what, query in (("/", ""), ("last page", "?page=100"), ("search", "?search=a1")):
                found = [painted(page, f"{server.url}/{query}") for _ in range(5)]
                rows.append((what, [statistics.median(each) for each in zip(*found, strict=True)]))
    print(f"the fleet page, {chosen.agents} agents, medians of 5; {conditions()}")
    table(
        ("page", "server ms", "first paint ms", "loaded ms", "kB"),
        [
            (what, *(f"{each:.0f}" for each in times[:3]), f"{times[3] / 1000:.0f}")
            for what, times in rows
        ],
    )
    slowest = max(times[1] for _, times in rows)
    print(verdict(f"first paint {slowest:.0f} ms", "at most 1000 ms", slowest <= 1000))


if __name__ == "__main__":
    main()
