"""Tools over MCP: what is allowed, whose token is used, and what happens when a server is gone."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from xora_agent.multi_provider.brain import MultiProvider
from xora_agent.multi_provider.tools import is_allowed

from tests.support.models.answers import Call, Say
from tests.support.models.brains import PROVIDERS, TOKEN, ask, mind, model, run, served
from tests.support.models.mcp_server import ToolServer
from tests.support.models.server import ModelServer

pytestmark = pytest.mark.usefixtures("alone")
WEATHER = Say(calls=(Call("weather", {"city": "Hue"}),))


def offered(body: Any) -> list[str]:
    """Name the tools of a request, whichever API's it is."""
    found = []
    for tool in body.get("tools") or []:
        declared = tool.get("functionDeclarations") or [tool.get("function", tool)]
        found += [one["name"] for one in declared]
    return sorted(found)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_of_each_provider_uses_a_tool(
    tmp_path: Path, models: ModelServer, tools: ToolServer, provider: str
) -> None:
    models.say(Say("Let me see.", calls=WEATHER.calls), "Take a coat.")

    async def story(brain: MultiProvider) -> None:
        servers = (served(tools),)
        await brain.configure(mind(model(models, provider), "weather", mcp_servers=servers))
        assert "".join(await ask(brain, "Hue?")) == "Let me see.\n\nTake a coat."

    run(tmp_path, story)
    assert tools.calls == ["weather Hue"]
    assert set(tools.tokens) == {TOKEN}
    assert offered(models.bodies()[0]) == ["weather"]
    assert "It rains in Hue." in json.dumps(models.bodies()[1])


def test_no_allowed_tool_means_none(tmp_path: Path, models: ModelServer, tools: ToolServer) -> None:
    models.say(WEATHER, "I can't.")

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models), mcp_servers=(served(tools),)))
        assert "".join(await ask(brain, "Hue?")) == "I can't."

    run(tmp_path, story)
    assert offered(models.bodies()[0]) == []
    assert not tools.calls
    assert not tools.tokens


def test_a_tool_that_is_not_allowed_is_not_used(
    tmp_path: Path, models: ModelServer, tools: ToolServer
) -> None:
    models.say(Say(calls=(Call("slow", {"word": "x"}),)), "I can't.")

    async def story(brain: MultiProvider) -> None:
        servers = (served(tools),)
        await brain.configure(mind(model(models), "weather", "Bash", mcp_servers=servers))
        assert "".join(await ask(brain, "slowly?")) == "I can't."

    run(tmp_path, story)
    assert not tools.calls


@pytest.mark.parametrize(
    ("allowed", "may"),
    [
        ({"weather"}, True),
        ({"mcp__cbm-tools__weather"}, True),
        ({"mcp__cbm-tools"}, True),
        ({"mcp__other__weather"}, False),
        ({"Weather"}, False),
        (set(), False),
    ],
)
def test_a_tool_is_allowed_by_any_of_its_names(allowed: set[str], may: bool) -> None:
    assert is_allowed("cbm-tools", "weather", frozenset(allowed)) is may


def test_two_servers_may_have_tools_of_the_same_name(
    tmp_path: Path, models: ModelServer, tools: ToolServer
) -> None:
    models.say(Say(calls=(Call("two_weather", {"city": "Hue"}),)), "Take a coat.")

    async def story(brain: MultiProvider) -> None:
        servers = (served(tools, name="one"), served(tools, "Bearer two", name="two"))
        await brain.configure(mind(model(models), "weather", mcp_servers=servers))
        await ask(brain, "Hue?")

    run(tmp_path, story)
    assert offered(models.bodies()[0]) == ["one_weather", "two_weather"]
    assert tools.calls == ["weather Hue"]


def test_renewed_tokens_are_used_at_once_and_nothing_under_way_is_lost(
    tmp_path: Path, models: ModelServer, tools: ToolServer
) -> None:
    slow = Say(calls=(Call("slow", {"word": "plum"}),))
    models.say(slow, WEATHER, "It said plum.", WEATHER, "Take a coat.")
    tokens: list[list[str]] = []

    async def story(brain: MultiProvider) -> None:
        chosen = mind(model(models), "slow", "weather", mcp_servers=(served(tools),))
        await brain.configure(chosen)
        under_way = asyncio.create_task(ask(brain, "use the slow tool"))
        assert await asyncio.to_thread(tools.slow_tool_entered.wait, 30)
        tokens.append(list(tools.tokens))
        tools.tokens.clear()
        tools.refused.add(TOKEN)  # as the controller does once the old one has run out
        await brain.renew((served(tools, "Bearer renewed"),), None)
        tools.slow_tool_goes_on.set()
        assert "".join(await under_way) == "It said plum."
        await ask(brain, "and the weather?")
        tokens.append(list(tools.tokens))

    run(tmp_path, story)
    assert set(tokens[0]) == {TOKEN}
    assert set(tokens[1]) == {"Bearer renewed"}
    assert tools.calls == ["slow plum", "weather Hue", "weather Hue"]
    assert "use the slow tool" in str(models.bodies()[-1])


def test_a_new_mind_brings_its_tools(
    tmp_path: Path, models: ModelServer, tools: ToolServer
) -> None:
    async def story(brain: MultiProvider) -> None:
        chosen = mind(model(models), "weather")
        await brain.configure(chosen)
        await ask(brain, "no tools yet")
        await brain.configure(replace(chosen, mcp_servers=(served(tools),)))
        await ask(brain, "and now?")

    run(tmp_path, story)
    assert [offered(body) for body in models.bodies()] == [[], ["weather"]]


@pytest.mark.parametrize("how", ["gone", "refused"])
def test_a_server_that_is_not_there_costs_its_tools_alone(
    tmp_path: Path, models: ModelServer, tools: ToolServer, how: str
) -> None:
    server = served(tools)
    if how == "gone":
        server = replace(server, url="http://127.0.0.1:9/mcp")
    else:
        tools.refused.add(TOKEN)

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models), "weather", mcp_servers=(server,)))
        assert "".join(await ask(brain, "Hue?")) == "echo: ann: Hue?"

    run(tmp_path, story)
    assert "The tools of cbm-tools can't be reached at the moment." in str(models.bodies()[0])


def test_a_tool_that_fails_is_told_to_the_model(
    tmp_path: Path, models: ModelServer, tools: ToolServer
) -> None:
    models.say(*[Say(calls=(Call("fails"),))] * 4, "It does not work.")

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models), "fails", mcp_servers=(served(tools),)))
        assert "".join(await ask(brain, "try it")) == "It does not work."

    run(tmp_path, story)
    assert tools.calls == ["fails"] * 4


def test_a_server_that_goes_away_in_an_answer_is_told_to_the_model(
    tmp_path: Path, models: ModelServer, tools: ToolServer
) -> None:
    slow = Say(calls=(Call("slow", {"word": "plum"}),))
    models.say(slow, WEATHER, "The tools are gone.")

    async def story(brain: MultiProvider) -> None:
        chosen = mind(model(models), "slow", "weather", mcp_servers=(served(tools),))
        await brain.configure(chosen)
        under_way = asyncio.create_task(ask(brain, "use the slow tool"))
        assert await asyncio.to_thread(tools.slow_tool_entered.wait, 30)
        tools.refused.add(TOKEN)
        tools.slow_tool_goes_on.set()
        assert "".join(await under_way) == "The tools are gone."

    run(tmp_path, story)
    assert tools.calls == ["slow plum"]
