"""The stand-in for a model, asked over HTTP as the agent's own client asks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest

from toolkit.stand_in_model import NAME, stand_in_model

CHAT = {"model": NAME, "messages": [{"role": "user", "content": "who is there?"}]}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with stand_in_model() as url:
        yield f"{url}/v1"


def test_it_says_again_what_it_is_asked(base: str) -> None:
    answer = httpx2.post(f"{base}/chat/completions", json=CHAT).json()
    assert answer["choices"][0]["message"]["content"] == "You said: who is there?"


def test_parts_of_a_content_are_one_text(base: str) -> None:
    content = [{"type": "text", "text": "who "}, {"type": "text", "text": "else?"}]
    body = {**CHAT, "messages": [{"role": "user", "content": content}]}
    answer = httpx2.post(f"{base}/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == "You said: who else?"


def test_it_streams_in_pieces(base: str) -> None:
    answer = httpx2.post(f"{base}/chat/completions", json={**CHAT, "stream": True})
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
    assert httpx2.get(f"{base}/models").json()["data"][0]["id"] == NAME


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"messages": []}', b'{"messages": [1]}'])
def test_what_is_no_request_is_refused(base: str, body: bytes) -> None:
    assert httpx2.post(f"{base}/chat/completions", content=body).status_code == 400


def test_other_paths_are_not_there(base: str) -> None:
    assert httpx2.get(f"{base}/other").status_code == 404
    assert httpx2.post(f"{base}/embeddings", json={}).status_code == 404
