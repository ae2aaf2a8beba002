"""The multi-provider brain against stand-ins of the providers' APIs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from xora_agent.brain import Model
from xora_agent.errors import SettingError
from xora_agent.multi_provider.brain import MultiProvider
from xora_agent.secret import Secret

from tests.support.models.answers import Asked, Say
from tests.support.models.brains import KEY, PROVIDERS, ask, mind, model, run
from tests.support.models.server import ModelServer

pytestmark = pytest.mark.usefixtures("alone")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_answers_in_pieces(
    tmp_path: Path, models: ModelServer, provider: str
) -> None:
    models.say("All is well here.")

    async def story(brain: MultiProvider) -> None:
        assert await brain.configure(mind(model(models, provider))) is None
        pieces = await ask(brain, "how are you?")
        assert "".join(pieces) == "All is well here."
        assert len(pieces) > 1

    run(tmp_path, story)
    assert "You are terse." in str(models.bodies()[0])
    assert "ann: how are you?" in str(models.bodies()[0])


HEADERS = {
    "anthropic": ("authorization", f"Bearer {KEY}"),
    "openai": ("authorization", f"Bearer {KEY}"),
    "groq": ("authorization", f"Bearer {KEY}"),
    "google": ("x-goog-api-key", KEY),
    "local": ("authorization", f"Bearer {KEY}"),
}
PATHS = {
    "anthropic": "/proxy/v1/messages",
    "openai": "/proxy/chat/completions",
    "groq": "/proxy/openai/v1/chat/completions",
    "google": "/proxy/v1beta/models/m-1:streamGenerateContent?alt=sse",
    "local": "/proxy/chat/completions",
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_proxy_gets_the_key_where_the_provider_expects_it(
    tmp_path: Path, models: ModelServer, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of-somebody-else")
    monkeypatch.setenv("GOOGLE_API_KEY", "of-somebody-else")
    monkeypatch.setenv("OPENAI_API_KEY", "of-somebody-else")
    chosen = Model(provider, "m-1", base_url=f"{models.url}/proxy", key=Secret(KEY))

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(chosen))
        await ask(brain, "hello")

    run(tmp_path, story)
    [asked] = models.asked
    header, value = HEADERS[provider]
    assert asked.headers[header] == value
    assert asked.path == PATHS[provider]
    assert "of-somebody-else" not in str(asked)


def _settings(asked: Asked) -> dict[str, Any]:
    google = asked.body.get("generationConfig")
    if google:
        names = {"temperature": "temperature", "maxOutputTokens": "max_tokens", "topP": "top_p"}
        return {ours: google.get(theirs) for theirs, ours in names.items()}
    limit = asked.body.get("max_completion_tokens", asked.body.get("max_tokens"))
    said = {name: asked.body.get(name) for name in ("temperature", "top_p")}
    return {**said, "max_tokens": limit}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_settings_reach_the_model(tmp_path: Path, models: ModelServer, provider: str) -> None:
    async def story(brain: MultiProvider) -> None:
        chosen = mind(model(models, provider), temperature=0.25, max_tokens=77, top_p=0.5)
        await brain.configure(chosen)
        await ask(brain, "hello")

    run(tmp_path, story)
    assert _settings(models.asked[0]) == {"temperature": 0.25, "max_tokens": 77, "top_p": 0.5}


def test_what_is_not_set_is_not_sent(tmp_path: Path, models: ModelServer) -> None:
    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        await ask(brain, "hello")

    run(tmp_path, story)
    assert not {"temperature", "top_p", "max_tokens"} & set(models.bodies()[0])


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (None, "no model is set"),
        (Model("mistral", "m", key=Secret(KEY)), "'mistral' is not known"),
        (Model("local", "m"), "needs an address"),
        (Model("openai", "m"), "no key for openai"),
        (Model("openai", "", key=Secret(KEY)), "names no model"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused(
    tmp_path: Path, models: ModelServer, chosen: Model | None, words: str
) -> None:
    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        with pytest.raises(SettingError, match=words) as refused:
            await brain.configure(mind(chosen))
        if "not known" in words:
            assert refused.value.why == "known are anthropic, openai, groq, google, local"
        assert "".join(await ask(brain, "still there?")) == "echo: ann: still there?"

    run(tmp_path, story)


def test_a_switch_is_said_in_the_words_of_the_documents_and_keeps_the_history(
    tmp_path: Path, models: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    first = model(models, "anthropic", "claude-3-5-haiku")
    second = model(models, "openai", "gpt-4-turbo")
    sentence = "Switching from anthropic/claude-3-5-haiku → openai/gpt-4-turbo"

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(first))
        await ask(brain, "my name is Ann")
        assert await brain.configure(mind(first)) is None
        assert await brain.configure(mind(second)) == sentence
        await ask(brain, "what is my name?")

    run(tmp_path, story)
    assert sentence in capsys.readouterr().out
    said = [m["content"] for m in models.bodies()[-1]["messages"]]
    assert said == [
        "You are terse.",
        "ann: my name is Ann",
        "echo: ann: my name is Ann",
        "ann: what is my name?",
    ]


def test_history_goes_through_all_providers(tmp_path: Path, models: ModelServer) -> None:
    async def story(brain: MultiProvider) -> None:
        for provider in (*PROVIDERS, "anthropic"):
            await brain.configure(mind(model(models, provider, f"m-{provider}")))
            await ask(brain, f"asked {provider}")

    run(tmp_path, story)
    last = str(models.bodies()[-1])
    for provider in PROVIDERS:
        assert f"ann: asked {provider}" in last
        assert f"echo: ann: asked {provider}" in last


def test_conversations_are_apart_and_can_be_forgotten(tmp_path: Path, models: ModelServer) -> None:
    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models)))
        await ask(brain, "one", "discord:1")
        await ask(brain, "two", "telegram:2")
        await brain.forget("discord:1")
        await brain.forget("never-seen")
        await ask(brain, "three", "discord:1")

    run(tmp_path, story)
    counts = [len(body["messages"]) for body in models.bodies()]
    assert counts == [2, 2, 2]


def test_an_answer_under_way_keeps_its_model(tmp_path: Path, models: ModelServer) -> None:
    models.say(Say("one two three four five six", pause=0.05))

    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(model(models, "openai", "slow")))
        answer = asyncio.create_task(ask(brain, "count"))
        while not models.asked:
            await asyncio.sleep(0.01)
        renewed = replace(model(models, "openai", "slow"), key=Secret("sk-renewed"))
        await brain.renew((), renewed)
        assert "".join(await answer) == "one two three four five six"
        await ask(brain, "and now?")

    run(tmp_path, story)
    keys = [asked.headers["authorization"] for asked in models.asked]
    assert keys == [f"Bearer {KEY}", "Bearer sk-renewed"]
    assert len(models.bodies()[-1]["messages"]) == 4
