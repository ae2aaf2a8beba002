"""The stand-in for a model, asked over HTTP as the agent's own client asks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from xora_agent.brain import Mind, Model
from xora_agent.claude_code import launch
from xora_agent.multi_provider import providers
from xora_agent.secret import Secret

from tests.support.http import HTTP
from tests.support.releases import TOP
from toolkit.cli.options import load_agent
from toolkit.demo.with_controller import deployment_of
from toolkit.stand_in_model import NAME, stand_in_model

CHAT = {"model": NAME, "messages": [{"role": "user", "content": "who is there?"}]}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with stand_in_model() as url:
        yield f"{url}/v1"


def test_it_says_again_what_it_is_asked(base: str) -> None:
    answer = HTTP.post(f"{base}/chat/completions", json=CHAT).json()
    assert answer["choices"][0]["message"]["content"] == "You said: who is there?"


def test_parts_of_a_content_are_one_text(base: str) -> None:
    content = [{"type": "text", "text": "who "}, {"type": "text", "text": "else?"}]
    body = {**CHAT, "messages": [{"role": "user", "content": content}]}
    answer = HTTP.post(f"{base}/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == "You said: who else?"


def test_it_streams_in_pieces(base: str) -> None:
    answer = HTTP.post(f"{base}/chat/completions", json={**CHAT, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    choices = [json.loads(each)["choices"][0] for each in events[:-1]]
    assert "".join(each["delta"].get("content", "") for each in choices) == (
        "You said: who is there?"
    )
    assert choices[-1]["finish_reason"] == "stop"
    assert len(choices) > 3


def test_it_names_its_model(base: str) -> None:
    assert HTTP.get(f"{base}/models").json()["data"][0]["id"] == NAME


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"messages": []}', b'{"messages": [1]}'])
def test_what_is_no_request_is_refused(base: str, body: bytes) -> None:
    assert HTTP.post(f"{base}/chat/completions", content=body).status_code == 400


def test_other_paths_are_not_there(base: str) -> None:
    assert HTTP.get(f"{base}/other").status_code == 404
    assert HTTP.post(f"{base}/embeddings", json={}).status_code == 404


def test_it_speaks_the_api_of_anthropic(base: str) -> None:
    body = {**CHAT, "max_tokens": 100}
    answer = HTTP.post(f"{base}/messages?beta=true", json=body).json()
    assert answer["content"] == [{"type": "text", "text": "You said: who is there?"}]
    streamed = HTTP.post(f"{base}/messages", json={**body, "stream": True}).text
    events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: ")]
    said = [each["delta"]["text"] for each in events if each["type"] == "content_block_delta"]
    assert "".join(said) == "You said: who is there?"
    assert events[-1] == {"type": "message_stop"}
    counted = HTTP.post(f"{base}/messages/count_tokens", json=CHAT).json()
    assert counted == {"input_tokens": 5}


@pytest.mark.parametrize(
    ("name", "provider"), [("xora-cc-agent", "anthropic"), ("xora-vercel-agent", "local")]
)
def test_each_agent_gets_a_deployment_that_it_can_ask(name: str, provider: str) -> None:
    deployment = deployment_of(load_agent(name, TOP), "http://127.0.0.1:1")
    assert deployment["provider"] == provider
    model = Model(provider, deployment["model"], deployment["apiEndpoint"], Secret("a-token"))
    if provider == "anthropic":
        launch.check(Mind("", model))
    else:
        providers.check(model)
