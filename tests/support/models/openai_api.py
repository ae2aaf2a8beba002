"""OpenAI's chat completions, as OpenAI, Groq, and servers on one's own machine speak them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.models.answers import Call, Fail, Say

PATH = "/chat/completions"


def wants_stream(_path: str, body: Any) -> bool:
    return bool(body.get("stream"))


def last_words(body: Any) -> str:
    """Give what was said last, by a person or a tool."""
    return _text(body["messages"][-1].get("content"))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def whole(say: Say, body: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": say.text or None}
    if say.calls:
        message["tool_calls"] = [_call(i, call) for i, call in enumerate(say.calls)]
    choice = {"index": 0, "message": message, "finish_reason": _reason(say)}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body.get("model", "stand-in"),
        "choices": [choice],
        "usage": _usage(say),
    }


def stream(say: Say, body: Any) -> Iterator[bytes]:
    for piece in say.pieces:
        yield _chunk(body, {"role": "assistant", "content": piece})
    for i, call in enumerate(say.calls):
        yield _chunk(body, {"role": "assistant", "tool_calls": [{"index": i, **_call(i, call)}]})
    yield _chunk(body, {}, _reason(say), _usage(say))
    yield b"data: [DONE]\n\n"


def error(fail: Fail) -> dict[str, Any]:
    return {"error": {"message": fail.message, "type": fail.kind, "param": None, "code": None}}


def _call(i: int, call: Call) -> dict[str, Any]:
    function = {"name": call.tool, "arguments": json.dumps(dict(call.arguments))}
    return {"id": f"call_{call.tool}_{i}", "type": "function", "function": function}


def _reason(say: Say) -> str:
    return "tool_calls" if say.calls else "stop"


def _usage(say: Say) -> dict[str, int]:
    said = len(say.pieces)
    return {
        "prompt_tokens": say.input_tokens,
        "completion_tokens": said,
        "total_tokens": say.input_tokens + said,
    }


def _chunk(
    body: Any, delta: dict[str, Any], reason: str | None = None, usage: dict[str, int] | None = None
) -> bytes:
    chunk: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": body.get("model", "stand-in"),
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }
    if usage:
        chunk["usage"] = usage
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
