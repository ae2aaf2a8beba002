"""Anthropic's messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.models.answers import Call, Fail, Say

PATH = "/v1/messages"


def wants_stream(_path: str, body: Any) -> bool:
    return bool(body.get("stream"))


def last_words(body: Any) -> str:
    """Give what was said last, by a person or a tool; Claude Code puts reminders before it."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else _text(content[-1])


def _text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if "text" in part:
        return str(part["text"])
    inner = part.get("content") or ""
    return inner if isinstance(inner, str) else "\n".join(_text(one) for one in inner)


def whole(say: Say, body: Any) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": say.text}] if say.text else []
    content += [_call(i, call, dict(call.arguments)) for i, call in enumerate(say.calls)]
    return {**_message(say, body), "content": content, "stop_reason": _reason(say)}


def stream(say: Say, body: Any) -> Iterator[bytes]:
    yield _event("message_start", message=_message(say, body))
    index = 0
    if say.text:
        yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for piece in say.pieces:
            yield _delta(0, {"type": "text_delta", "text": piece})
        yield _event("content_block_stop", index=0)
        index = 1
    for i, call in enumerate(say.calls):
        yield _event("content_block_start", index=index + i, content_block=_call(i, call, {}))
        arguments = json.dumps(dict(call.arguments))
        yield _delta(index + i, {"type": "input_json_delta", "partial_json": arguments})
        yield _event("content_block_stop", index=index + i)
    yield _event(
        "message_delta",
        delta={"stop_reason": _reason(say), "stop_sequence": None},
        usage={"output_tokens": len(say.pieces) + 1},
    )
    yield _event("message_stop")


def error(fail: Fail) -> dict[str, Any]:
    return {"type": "error", "error": {"type": fail.kind, "message": fail.message}}


def _message(say: Say, body: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "stand-in"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": say.input_tokens, "output_tokens": 1},
    }


def _call(i: int, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"toolu_{call.tool}_{i}",
        "name": call.tool,
        "input": arguments,
    }


def _reason(say: Say) -> str:
    return "tool_use" if say.calls else "end_turn"


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
