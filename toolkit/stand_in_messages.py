"""Anthropic's API as the stand-in for a model speaks it: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

PATH = "/messages"
COUNT = "/messages/count_tokens"


def whole(text: str, model: str) -> dict[str, Any]:
    """Give the answer in one piece."""
    return {
        **_beginning(model),
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": len(text.split())},
    }


def stream(text: str, model: str) -> Iterator[bytes]:
    """Give the answer as server-sent events, a word each."""
    yield _event("message_start", message=_beginning(model))
    yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in re.findall(r"\S+\s*|\s+", text):
        yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield _event("content_block_stop", index=0)
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _event("message_delta", delta=ending, usage={"output_tokens": len(text.split())})
    yield _event("message_stop")


def _beginning(model: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def _event(kind: str, **facts: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **facts})}\n\n".encode()
