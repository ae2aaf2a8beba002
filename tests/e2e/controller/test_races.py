"""Two changes at once on PostgreSQL, where writers don't wait for each other by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import asyncpg
import pytest
from aiwm_controller.settings import Settings, database_url

from tests.support.aiwm import PASSWORD, Caller, Running, controller, prepare
from tests.support.postgres import Cluster


@pytest.fixture
def address(postgres: Cluster) -> str:
    return postgres.database(f"races{next(_NUMBERS)}")


@pytest.fixture
def running(address: str) -> Iterator[Running]:
    settings = replace(Settings(database=database_url(address)), connects_a_minute=1000)
    prepare(settings)
    with controller(settings) as found:
        yield found


@asynccontextmanager
async def held(address: str, query: str, *arguments: object) -> AsyncIterator[asyncpg.Connection]:
    """Hold the rows of a query, so that whoever changes them waits."""
    connection = await asyncpg.connect(address)
    try:
        async with connection.transaction():
            await connection.fetch(f"{query} FOR UPDATE", *arguments)
            yield connection
    finally:
        await connection.close()


async def waiting(connection: asyncpg.Connection, number: int) -> None:
    """Wait until so many statements wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    for _ in range(500):
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        if await connection.fetchval(query) >= number:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


_NUMBERS = count(1)
AGENT = "SELECT id FROM agents WHERE id = $1"
PRESENCE = "SELECT agent_id FROM presences WHERE agent_id = $1"


def test_an_agent_that_leaves_stays_suspended(running: Running, address: str) -> None:
    agent, caller = running.connected()
    path = f"/agents/{agent['id']}"

    async def both() -> None:
        async with held(address, PRESENCE, agent["id"]) as connection:
            leaving = asyncio.create_task(
                asyncio.to_thread(caller.status, "POST", f"{path}/disconnect")
            )
            await waiting(connection, 1)
            await asyncio.to_thread(running.owner.ok, "PUT", path, {"status": "suspended"})
        assert await leaving == 200

    asyncio.run(asyncio.wait_for(both(), 60))
    assert running.owner.ok("GET", path)["status"] == "suspended"


def test_of_two_changes_agents_hear_of_both(running: Running, address: str) -> None:
    agent = running.agent()
    path = f"/agents/{agent['id']}"

    async def both() -> None:
        async with held(address, AGENT, agent["id"]) as connection:
            bodies = ({"name": "other"}, {"settings": {"claude_model": "m"}})
            changing = [
                asyncio.create_task(asyncio.to_thread(running.owner.ok, "PUT", path, body))
                for body in bodies
            ]
            await waiting(connection, 2)
        await asyncio.gather(*changing)

    asyncio.run(asyncio.wait_for(both(), 60))
    assert running.owner.ok("GET", path)["configVersion"] == agent["configVersion"] + 2


def test_agents_are_locked_in_one_order(running: Running, address: str) -> None:
    told = running.owner.ok("POST", "/instructions", {"systemPrompt": "Be brief."})
    path = f"/instructions/{told['id']}"
    first, last = sorted(
        running.agent(instructionId=told["id"], name=name)["id"] for name in ("one", "two")
    )
    # From now on, the first one's row stands behind the last one's.
    for instruction in (None, told["id"]):
        running.owner.ok("PUT", f"/agents/{first}", {"instructionId": instruction})

    async def both() -> None:
        async with held(address, AGENT, first) as connection:
            body = {"systemPrompt": "Be long."}
            changing = asyncio.create_task(asyncio.to_thread(running.owner.ok, "PUT", path, body))
            await waiting(connection, 1)
            free = await connection.fetch(f"{AGENT} FOR UPDATE NOWAIT", last)
            assert len(free) == 1
        await changing

    asyncio.run(asyncio.wait_for(both(), 60))


def test_of_two_new_secrets_the_first_ends_with_its_tokens(running: Running, address: str) -> None:
    agent = running.agent()
    path = f"/agents/{agent['id']}"
    generations = []

    async def both() -> None:
        async with held(address, AGENT, agent["id"]) as connection:
            issuing = [
                asyncio.create_task(asyncio.to_thread(running.credentials, agent["id"]))
                for _ in range(2)
            ]
            await waiting(connection, 2)
        secrets = [each["secret"] for each in await asyncio.gather(*issuing)]
        taken = [
            running.nobody.status("POST", f"{path}/connect", {"secret": secret})
            for secret in secrets
        ]
        assert sorted(taken) == [200, 401]
        connection = await asyncpg.connect(address)
        query = "SELECT secret_generation FROM agents WHERE id = $1"
        generations.append(await connection.fetchval(query, agent["id"]))
        await connection.close()

    asyncio.run(asyncio.wait_for(both(), 60))
    assert generations == [2]


def test_two_owners_can_not_remove_each_other(running: Running, address: str) -> None:
    me = running.owner.ok("GET", "/auth/me")
    body = {"email": "two@example.com", "role": "organization.owner", "password": PASSWORD}
    other = running.owner.ok("POST", "/users", body)
    login = {"email": body["email"], "password": PASSWORD}
    second = Caller(running.client, running.nobody.ok("POST", "/auth/login", login)["token"])

    async def both() -> list[int]:
        query = "SELECT id FROM users WHERE org_id = $1"
        async with held(address, query, me["orgId"]) as connection:
            removing = [
                asyncio.create_task(asyncio.to_thread(by.status, "DELETE", f"/users/{user}"))
                for by, user in ((running.owner, other["id"]), (second, me["id"]))
            ]
            await waiting(connection, 2)
        return await asyncio.gather(*removing)

    assert sorted(asyncio.run(asyncio.wait_for(both(), 60))) == [200, 400]


@pytest.mark.parametrize(
    ("path", "body", "statuses"),
    [
        ("/users", {"email": "new@example.com"}, [201, 409]),
        ("/tools", {"name": "find_order", "type": "api"}, [201, 409]),
        ("/configurations", {"key": "agent.other", "value": "x"}, [200, 409]),
    ],
)
def test_of_two_of_a_name_the_second_is_refused(
    running: Running, address: str, path: str, body: dict[str, str], statuses: list[int]
) -> None:
    organization = running.owner.ok("GET", "/auth/me")["orgId"]

    async def both() -> list[int]:
        query = "SELECT id FROM organizations WHERE id = $1"
        async with held(address, query, organization) as connection:
            making = [
                asyncio.create_task(asyncio.to_thread(running.owner.status, "POST", path, body))
                for _ in range(2)
            ]
            await waiting(connection, 2)
        return await asyncio.gather(*making)

    assert sorted(asyncio.run(asyncio.wait_for(both(), 60))) == statuses
