"""The agent as a whole without a controller: what it becomes, and what /health says of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from xora_agent.agent import Agent, Parts, Place
from xora_agent.configuration import Kind
from xora_agent.environment import Environment
from xora_agent.errors import PlatformError, SettingError
from xora_agent.logs import Scrubber

from tests.support.xora.fakes import FakeBrain, FakePlatform, FakeRoom

Get = Callable[[str], Awaitable[tuple[int, Any]]]
Test = Callable[[Agent, FakeBrain, Get], Awaitable[None]]


def play(
    home: Path, test: Test, failures: list[BaseException] | None = None, env: str = ""
) -> FakeBrain:
    (home / ".env").write_text(f"AIWM_HEALTH_PORT=0\nLOG_FILE=\n{env}")
    brain = FakeBrain()

    async def run() -> None:
        seen: list[str] = []
        makers = {"discord": lambda access: FakePlatform(access, seen, failures or [])}
        place = Place(home, Environment({}, home / ".env"), Scrubber(logging.Formatter()))
        agent = Agent(Parts(Kind.MULTI_PROVIDER, brain, makers), place)
        port = await agent.start()

        async def get(path: str) -> tuple[int, Any]:
            url = f"http://127.0.0.1:{port}{path}"
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                is_json = answer.content_type == "application/json"
                return answer.status, await (answer.json() if is_json else answer.text())

        assert (await get("/health"))[0] == 503
        task = asyncio.create_task(agent.run())
        try:
            await asyncio.wait_for(test(agent, brain, get), 10)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await agent.close("shutdown")

    asyncio.run(run())
    return brain


async def until(get: Get, status: int, said: str) -> Any:
    while (found := await get("/health"))[0] != status or found[1]["status"] != said:
        await asyncio.sleep(0.005)
    return found[1]


def test_it_is_well_without_a_platform(tmp_path: Path) -> None:
    async def test(agent: Agent, brain: FakeBrain, get: Get) -> None:
        found = await until(get, 200, "ok")
        assert found["aiwm"] == {"connection": "off", "error": ""}
        assert found["platforms"] == {}
        assert found["brain"] == {"ready": True, "model": "", "error": ""}
        assert found["uptime"] >= 0
        assert (await get("/other"))[0] == 404

    brain = play(tmp_path, test)
    assert brain.done == ["save", "close"]


def test_the_six_counters(tmp_path: Path) -> None:
    async def test(agent: Agent, brain: FakeBrain, get: Get) -> None:
        status, text = await get("/metrics")
        assert status == 200
        names = {
            sample.name
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
        assert names == {
            "aiwm_connection_success_total",
            "aiwm_connection_failure_total",
            "aiwm_heartbeat_success_total",
            "aiwm_heartbeat_failure_total",
            "aiwm_token_refresh_total",
            "aiwm_config_update_total",
        }

    play(tmp_path, test)


def test_a_brain_that_takes_no_mind_is_told(tmp_path: Path) -> None:
    async def test(agent: Agent, brain: FakeBrain, get: Get) -> None:
        found = await until(get, 503, "failing")
        assert found["brain"]["error"] == "the provider unknown is not known"
        (tmp_path / ".env").write_text("VERCEL_MODEL=m\nVERCEL_PROVIDER=openai\n")
        assert (await agent.reload()).changed
        found = await until(get, 200, "ok")
        assert found["brain"]["model"] == "openai/m"
        (tmp_path / ".env").write_text("VERCEL_MODEL=m\nVERCEL_PROVIDER=unknown\n")
        with pytest.raises(SettingError):
            await agent.reload()
        # The mind before stays, and what is wrong is told.
        found = await until(get, 200, "ok")
        assert found["brain"]["model"] == "openai/m"
        assert found["brain"]["error"] == "the provider unknown is not known"

    play(tmp_path, test, env="VERCEL_PROVIDER=unknown\nVERCEL_MODEL=m\n")


def test_where_no_platform_connects_nobody_is_answered(tmp_path: Path) -> None:
    async def test(agent: Agent, brain: FakeBrain, get: Get) -> None:
        found = await until(get, 503, "failing")
        assert found["platforms"]["discord"] == {"state": "failing", "error": "refused"}

    play(tmp_path, test, [PlatformError("refused")] * 9, env="DISCORD_TOKEN=a-token\n")


def test_a_switch_of_models_is_told_to_rooms(tmp_path: Path) -> None:
    async def test(agent: Agent, brain: FakeBrain, get: Get) -> None:
        await until(get, 200, "ok")
        room = FakeRoom()
        await agent._chat.receive(room, "a", "/status")
        assert "controller: off" in room.said[0]
        (tmp_path / ".env").write_text("VERCEL_MODEL=n\nVERCEL_PROVIDER=openai\n")
        await agent._chat.receive(room, "a", "/reload")
        assert room.said[1:] == ["Switching from m → n", "Reloaded.\nSwitching from m → n"]
        await agent._chat.receive(room, "a", "/reload")
        assert room.said[-1] == "Nothing has changed."
        (tmp_path / ".env").write_text("VERCEL_TEMPERATURE=hot\n")
        await agent._chat.receive(room, "a", "/reload")
        assert room.said[-1].startswith("I could not reload: the setting VERCEL_TEMPERATURE")

    play(tmp_path, test, env="VERCEL_MODEL=m\nVERCEL_PROVIDER=openai\n")
