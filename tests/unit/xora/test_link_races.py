"""The link with the controller, where two things happen at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from xora_agent.errors import Refused, SettingError
from xora_agent.link import Link
from xora_agent.own import Account, Times
from xora_agent.secret import Secret
from xora_agent.ways import State
from xora_agent.wire import Acknowledged, Connection

from tests.unit.xora.test_link import Bench, Scripted, configuration, connection

NEWER = Acknowledged.model_validate({"configVersion": 2})
SELDOM = Times(backoff=0.01, retry=1000, refresh=1000, heartbeat=0.02)


def changing(bench: Bench, account: Callable[[], Account]) -> Bench:
    """Let .env say what `account` gives, once the link is connected."""
    made = bench.link

    def link() -> Link:
        found = made()
        before = found._reach._given
        found._reach._given = lambda: account() if bench.count("beat") else before()
        return found

    bench.link = link  # type: ignore[method-assign]
    return bench


def broken() -> Account:
    raise SettingError("AIWM_ENABLED is true and AIWM_BASE_URL not set")


def mistyped() -> Account:
    return Account("http://localhost", "1", Secret("mistyped"))


class Slow(Scripted):
    """Takes a moment for each connect, as all controllers do: a storm must not stop the test."""

    async def connect(self) -> Connection:
        await asyncio.sleep(0.001)
        return await super().connect()


@pytest.mark.parametrize("account", [broken, mistyped])
def test_a_wrong_env_and_a_newer_configuration_make_no_storm(
    account: Callable[[], Account],
) -> None:
    connects: list[object] = [connection(version=1), connection(version=2)]
    if account is mistyped:
        connects[1] = Refused("no")
    bench = Bench(Slow(connects=connects, beats=[NEWER], configs=[configuration(2)]), SELDOM)

    async def wait(_: Link) -> None:
        await asyncio.sleep(0.5)

    changing(bench, account).play(lambda _: bench.count("connect") >= 2, wait)
    assert bench.count("connect") < 5


@dataclass
class Held(Scripted):
    """Holds the second connect until a test lets it go."""

    def __post_init__(self) -> None:
        self.go = asyncio.Event()

    async def connect(self) -> Connection:
        answer = await super().connect()
        if self.log.count("connect") == 2:
            await self.go.wait()
        return answer


def test_a_token_that_is_refused_while_a_new_one_comes_ends_no_heartbeats() -> None:
    script = Held(connects=[connection("t1"), connection("t2")])
    script.beats = [*[Acknowledged()] * 4, Refused("expired"), Acknowledged()]
    bench = Bench(script, Times(backoff=0.01, retry=1000, refresh=0.05, heartbeat=0.02))

    async def let_go(_: Link) -> None:
        await asyncio.sleep(0.1)  # the next heartbeat is due, and there is no token for it
        script.go.set()
        while bench.count("beat t2") < 2:
            await asyncio.sleep(0.002)

    bench.play(lambda _: bench.meter("heartbeat_failure"), let_go)


@dataclass
class Late(Scripted):
    """Answers the second heartbeat only when a test lets it go."""

    def __post_init__(self) -> None:
        self.go = asyncio.Event()

    async def heartbeat(self, token: Secret, body: Mapping[str, Any]) -> Acknowledged:
        answer = await super().heartbeat(token, body)
        if len(self.bodies) == 2:
            await self.go.wait()
        return answer


def test_a_late_answer_to_a_heartbeat_says_nothing_of_a_connection_that_is_lost() -> None:
    script = Late(connects=[connection("t1"), Refused("suspended")])
    bench = Bench(script, Times(backoff=0.01, retry=1000, refresh=0.05, heartbeat=0.02))

    async def let_go(link: Link) -> None:
        script.go.set()
        while bench.meter("heartbeat_success") < 2:
            await asyncio.sleep(0.002)
        assert link.state is State.FALLBACK

    bench.play(lambda link: link.state is State.FALLBACK and len(script.bodies) == 2, let_go)
