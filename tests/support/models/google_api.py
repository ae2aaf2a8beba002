"""Google's generateContent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.models.answers import Fail, Say

PATH = "enerateContent"


def wants_stream(path: str, _body: Any) -> bool:
    return ":streamGenerateContent" in path


def last_words(body: Any) -> str:
    """Give what was said last, by a person or a tool."""
    parts = body["contents"][-1]["parts"]
    return "".join(_words(part) for part in parts)


def _words(part: dict[str, Any]) -> str:
    if "functionResponse" in part:
        return json.dumps(part["functionResponse"].get("response"))
    return str(part.get("text", ""))


def whole(say: Say, _body: Any) -> dict[str, Any]:
    return _answer(([{"text": say.text}] if say.text else []) + _calls(say), say, done=True)


def stream(say: Say, _body: Any) -> Iterator[bytes]:
    for piece in say.pieces:
        yield _event(_answer([{"text": piece}], say, done=False))
    yield _event(_answer(_calls(say) or [{"text": ""}], say, done=True))


def error(fail: Fail) -> dict[str, Any]:
    return {"error": {"code": fail.status, "message": fail.message, "status": fail.kind.upper()}}


def _calls(say: Say) -> list[dict[str, Any]]:
    return [{"functionCall": {"name": c.tool, "args": dict(c.arguments)}} for c in say.calls]


def _answer(parts: list[dict[str, Any]], say: Say, *, done: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if done:
        candidate["finishReason"] = "STOP"
    said = len(say.pieces)
    usage = {
        "promptTokenCount": say.input_tokens,
        "candidatesTokenCount": said,
        "totalTokenCount": say.input_tokens + said,
    }
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": "stand-in",
        "responseId": "1",
    }


def _event(answer: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(answer).encode() + b"\r\n\r\n"
