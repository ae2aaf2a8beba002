"""What people are told when a provider is busy, fails, refuses the key, or talks nonsense."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest
from pydantic_ai.exceptions import ModelHTTPError, ModelRateLimitError
from xora_agent.brain import Model
from xora_agent.errors import BrainError
from xora_agent.multi_provider.brain import MultiProvider
from xora_agent.multi_provider.patience import Patience, pause
from xora_agent.secret import Secret

from tests.support.models.answers import Answer, BreakOff, Call, Fail, Garbage, Hang, Say
from tests.support.models.brains import KEY, PROVIDERS, ask, mind, model, run, served
from tests.support.models.mcp_server import ToolServer
from tests.support.models.server import ModelServer

pytestmark = pytest.mark.usefixtures("alone")
KINDS = {401: "authentication_error", 429: "rate_limit_error"}


def fail(status: int, message: str = "told to fail", retry_after: str | None = None) -> Fail:
    return Fail(status, message, retry_after, KINDS.get(status, "api_error"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_busy_provider_is_asked_again_when_it_says(
    tmp_path: Path, models: ModelServer, provider: str
) -> None:
    models.say(fail(429, retry_after="1"), fail(503), "There.")

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models, provider)))
        assert "".join(await ask(brain, "hello")) == "There."

    run(tmp_path, story)
    first, second, _ = models.asked
    assert second.at - first.at >= 1


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (fail(429, "slow down"), ("takes no more requests for now", 3)),
        (fail(429, "slow down", "3600"), ("takes no more requests for now", 1)),
        (fail(500), ("failed on its side", 3)),
        (fail(503), ("is overloaded or down", 3)),
        (fail(404), ("is not there", 1)),
        (fail(400, f"bad {KEY}"), ("gave no answer that can be used", 1)),
        (fail(401, f"no {KEY}"), (f"{{provider}} refused the key {Secret(KEY)}", 1)),
        (fail(403, f"no {KEY}"), (f"{{provider}} refused the key {Secret(KEY)}", 1)),
    ],
)
def test_a_fault_of_the_provider_becomes_a_sentence(
    tmp_path: Path, models: ModelServer, provider: str, answer: Fail, expected: tuple[str, int]
) -> None:
    words, tries = expected
    models.say(*[answer] * 9)

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models, provider)))
        with pytest.raises(BrainError) as failed:
            await ask(brain, "hello")
        fault = failed.value
        assert words.format(provider=provider) in fault.message
        assert KEY not in f"{fault} {fault.why} {fault.hint}"
        assert len(models.asked) == tries
        models.script.clear()
        assert "".join(await ask(brain, "and now?")) == "echo: ann: and now?"

    run(tmp_path, story)
    assert "hello" not in str(models.bodies()[-1])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("answer", [Hang(20), BreakOff(), Garbage()])
def test_no_answer_is_an_error_and_never_waited_for_without_end(
    tmp_path: Path, models: ModelServer, provider: str, answer: Answer
) -> None:
    models.say(answer)

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models, provider)))
        with pytest.raises(BrainError):
            await ask(brain, "hello")

    run(tmp_path, story, Patience(tries=1, silence=0.5))
    assert len(models.asked) == 1


def test_nobody_listening_is_a_sentence(tmp_path: Path) -> None:
    chosen = Model("local", "llama", base_url="http://127.0.0.1:9/v1")

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(chosen))
        with pytest.raises(BrainError, match="local/llama can't be reached"):
            await ask(brain, "hello")

    run(tmp_path, story)


def test_turns_are_limited(tmp_path: Path, models: ModelServer, tools: ToolServer) -> None:
    models.say(*[Say(calls=(Call("weather", {"city": "Hue"}),))] * 9)

    async def story(brain: MultiProvider) -> None:
        servers = (served(tools),)
        chosen = mind(model(models), "weather", mcp_servers=servers, max_turns=3)
        await brain.configure(chosen)
        with pytest.raises(BrainError, match="stopped after 3 turns"):
            await ask(brain, "go on for ever")

    run(tmp_path, story)
    assert len(models.asked) == 3


def test_an_answer_that_nobody_waits_for_ends(tmp_path: Path, models: ModelServer) -> None:
    models.say(Say("one two three four five six seven eight", pause=0.1))

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        under_way = asyncio.create_task(ask(brain, "count"))
        while not models.asked:
            await asyncio.sleep(0.01)
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        assert "".join(await ask(brain, "and now?")) == "echo: ann: and now?"

    run(tmp_path, story)
    assert "count" not in str(models.bodies()[-1])


def test_without_a_mind_there_is_no_answer(tmp_path: Path) -> None:
    async def story(brain: MultiProvider) -> None:
        with pytest.raises(BrainError, match="no model yet"):
            await ask(brain, "hello")

    run(tmp_path, story)


PATIENT = Patience(tries=4, first_wait=1, longest_wait=60)


def refused(status: int, **headers: str) -> ModelHTTPError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return ModelHTTPError.for_category(
        ModelRateLimitError, status_code=status, model_name="m", headers=names
    )


@pytest.mark.parametrize(
    ("error", "attempt", "seconds"),
    [
        (refused(429), 1, 1),
        (refused(429), 2, 2),
        (refused(429), 3, 4),
        (refused(429), 4, None),
        (refused(429, retry_after="7"), 1, 7),
        (refused(429, retry_after_ms="250"), 1, 0.25),
        (refused(429, retry_after="61"), 1, None),
        (refused(429, x_should_retry="false"), 1, None),
        (ModelHTTPError(400, "m"), 1, None),
        (ValueError("something else"), 1, None),
    ],
)
def test_pauses(error: Exception, attempt: int, seconds: float | None) -> None:
    assert pause(error, attempt, PATIENT) == seconds


def test_a_date_is_waited_for(tmp_path: Path) -> None:
    waited = pause(refused(429, retry_after=formatdate(time() + 30, usegmt=True)), 1, PATIENT)
    assert waited is not None
    assert 25 < waited <= 30
