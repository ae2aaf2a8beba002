"""What is kept of a conversation: within bounds, whole turns, and over a restart."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from xora_agent.errors import BrainError
from xora_agent.multi_provider import history
from xora_agent.multi_provider.brain import MultiProvider

from tests.support.models.answers import Call, Fail, Say
from tests.support.models.brains import ask, mind, model, run, served
from tests.support.models.mcp_server import ToolServer
from tests.support.models.server import ModelServer

pytestmark = pytest.mark.usefixtures("alone")


def turn(number: int, size: int = 0) -> list[ModelMessage]:
    """Make a turn in which a tool was used; about `size` tokens."""
    call = ToolCallPart("weather", {"city": "Hue"}, tool_call_id=f"call-{number}")
    result = ToolReturnPart("weather", "x" * 3 * size, tool_call_id=f"call-{number}")
    return [
        ModelRequest([UserPromptPart(f"question {number}")]),
        ModelResponse([TextPart("Let me see."), call]),
        ModelRequest([result]),
        ModelResponse([TextPart(f"answer {number}")]),
    ]


def pairs(messages: list[ModelMessage]) -> tuple[set[str], set[str]]:
    parts = [part for message in messages for part in message.parts]
    calls = {part.tool_call_id for part in parts if isinstance(part, ToolCallPart)}
    results = {part.tool_call_id for part in parts if isinstance(part, ToolReturnPart)}
    return calls, results


@pytest.mark.parametrize("limit", [0, 60, 1000, 1100, 2500, 5000, 150_000])
def test_the_oldest_turns_go_first_and_whole(limit: int) -> None:
    messages = [message for number in range(5) for message in turn(number, 1000)]
    kept = history.fit(messages, limit)
    assert history.tokens(kept) <= limit
    assert kept == messages[len(messages) - len(kept) :]
    assert len(kept) % 4 == 0
    calls, results = pairs(kept)
    assert calls == results
    one_more = messages[len(messages) - len(kept) - 4 :]
    assert len(kept) == len(messages) or history.tokens(one_more) > limit


def test_an_estimate_counts_bytes_and_not_letters() -> None:
    plain = [ModelRequest([UserPromptPart("a" * 300)])]
    vietnamese = [ModelRequest([UserPromptPart("ế" * 300)])]
    assert 100 <= history.tokens(plain) < 120
    assert history.tokens(vietnamese) > 290


def test_a_long_conversation_is_sent_without_its_beginning(
    tmp_path: Path, models: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LIMIT", 400)

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        for number in range(6):
            await ask(brain, f"number {number} " + "x" * 300)

    run(tmp_path, story)
    told = [m["content"] for m in models.bodies()[-1]["messages"]]
    assert told[0] == "You are terse."
    assert "number 0" not in str(told)
    assert "number 4" in str(told)
    assert "number 5" in told[-1]


def test_a_conversation_that_the_model_finds_too_long_is_made_shorter(
    tmp_path: Path, models: ModelServer
) -> None:
    too_long = Fail(400, "prompt is too long: 9 tokens > 8 maximum", kind="invalid_request_error")

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models, "anthropic")))
        for number in range(4):
            await ask(brain, f"number {number} " + "x" * 300)
        models.say(too_long, too_long, "There.")
        assert "".join(await ask(brain, "and now?")) == "There."
        models.say(*[too_long] * 99)
        with pytest.raises(BrainError, match="too long for anthropic"):
            await ask(brain, "and again?")

    run(tmp_path, story)
    counts = [len(body["messages"]) for body in models.bodies()]
    assert counts[4] == 9
    assert counts[4] > counts[5] > counts[6] >= 1
    assert counts[-1] == 1
    assert len(counts) < 30


def test_it_goes_on_after_a_restart_unless_told_not_to(
    tmp_path: Path, models: ModelServer, tools: ToolServer
) -> None:
    models.say(Say(calls=(Call("weather", {"city": "Hue"}),)), "Take a coat.")
    servers = (served(tools),)

    async def first(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models), "weather", mcp_servers=servers))
        await ask(brain, "I am in Hue, and my name is Ann")
        await ask(brain, "something else", "telegram:2")
        await brain.save()

    async def again(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models, "google"), "weather", mcp_servers=servers))
        await ask(brain, "who am I?")

    async def without(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models), resume=False))
        await ask(brain, "who am I?")
        await ask(brain, "I ask again")
        await brain.save()

    for story in (first, again, without):
        run(tmp_path, story)
    bodies = [str(body) for body in models.bodies()]
    assert ["my name is Ann" in body for body in bodies] == [True, True, False, True, False, False]
    assert "It rains in Hue." in bodies[3]
    assert "who am I?" in bodies[-1]
    files = list((tmp_path / "conversations").iterdir())
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "conversations").stat().st_mode) == 0o700


def test_an_answer_is_on_disk_before_the_agent_is_told_to_save(
    tmp_path: Path, models: ModelServer
) -> None:
    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        await ask(brain, "my name is Ann")
        [file] = (tmp_path / "conversations").glob("*.json")
        assert "my name is Ann" in file.read_text()
        await brain.forget("discord:1")
        assert not file.exists()

    run(tmp_path, story)


def test_a_disk_that_takes_nothing_costs_no_answer(tmp_path: Path, models: ModelServer) -> None:
    models.say("Hello Ann.", "Your name is Ann.")
    place = tmp_path / "conversations"
    place.write_text("no folder")

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        assert "".join(await ask(brain, "my name is Ann")) == "Hello Ann."
        assert "".join(await ask(brain, "who am I?")) == "Your name is Ann."
        place.unlink()
        await brain.save()

    run(tmp_path, story)
    [file] = place.glob("*.json")
    assert "my name is Ann" in file.read_text()


def broken(what: str) -> Any:
    return {
        "text": "not json",
        "half": '{"conversation": "discord:1", "messages": [{"kind": "requ',
        "list": "[]",
        "other": json.dumps({"conversation": "discord:1", "messages": [{"kind": "odd"}]}),
        "nameless": json.dumps({"messages": []}),
        "empty": "",
    }[what]


@pytest.mark.parametrize("what", ["text", "half", "list", "other", "nameless", "empty"])
def test_a_file_that_cannot_be_read_costs_one_conversation_alone(
    tmp_path: Path, models: ModelServer, what: str
) -> None:
    async def first(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        await ask(brain, "one", "discord:1")
        await ask(brain, "two", "discord:2")

    async def again(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        await ask(brain, "three", "discord:1")
        await ask(brain, "four", "discord:2")

    run(tmp_path, first)
    for file in (tmp_path / "conversations").glob("*.json"):
        if "discord:1" in file.read_text():
            file.write_text(broken(what))
    run(tmp_path, again)
    assert [len(body["messages"]) for body in models.bodies()] == [2, 2, 2, 4]
