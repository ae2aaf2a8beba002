"""A stand-in for a model: says again what it was asked, by OpenAI's API and by Anthropic's.

It is the standard library alone, needs no key, and listens to this machine alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from toolkit import stand_in_messages
from toolkit.loopback import listen

NAME = "echo"
LARGEST = 4 << 20
_COMPLETIONS = "/chat/completions"
_FACTS = {"id": "chatcmpl-1", "created": 1, "model": NAME}


def stand_in_model() -> AbstractContextManager[str]:
    """Serve the stand-in on a free port while the block runs; gives its address, without a path."""
    return listen(_Handler)


def reply(body: Any) -> str:
    """Give what is answered to a request; raises ValueError where it is none."""
    try:
        content = body["messages"][-1]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("a request has messages, and the last of them a content") from error
    return f"You said: {_text(content)}"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def whole(text: str) -> dict[str, Any]:
    """Give the answer in one piece."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_FACTS, "object": "chat.completion", "choices": [choice], "usage": _usage(text)}


def stream(text: str) -> Iterator[bytes]:
    """Give the answer as server-sent events, a word each."""
    for word in re.findall(r"\S+\s*|\s+", text):
        yield _event({"role": "assistant", "content": word}, None)
    yield _event({}, "stop", usage=_usage(text))
    yield b"data: [DONE]\n\n"


def _event(delta: dict[str, str], reason: str | None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {**_FACTS, "object": "chat.completion.chunk", "choices": [choice], **more}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _usage(text: str) -> dict[str, int]:
    said = len(text.split())
    return {"prompt_tokens": said, "completion_tokens": said, "total_tokens": 2 * said}


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: whoever asks says what was answered."""

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def do_GET(self) -> None:
        """Name the one model that there is."""
        if self.path.endswith("/models"):
            self._send(HTTPStatus.OK, {"object": "list", "data": [{"id": NAME, "object": "model"}]})
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such path")

    def do_POST(self) -> None:
        """Answer a chat."""
        size = int(self.headers.get("Content-Length") or 0)
        if not self._path.endswith((_COMPLETIONS, stand_in_messages.PATH, stand_in_messages.COUNT)):
            self._refuse(HTTPStatus.NOT_FOUND, "no such path")
        elif size > LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LARGEST} bytes")
        else:
            self._answer(self.rfile.read(size))

    def _answer(self, data: bytes) -> None:
        try:
            body = json.loads(data)
            text = reply(body)
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        if self._path.endswith(stand_in_messages.COUNT):
            self._send(HTTPStatus.OK, {"input_tokens": len(text.split())})
            return
        anthropic = self._path.endswith(stand_in_messages.PATH)
        if not body.get("stream"):
            one = stand_in_messages.whole(text, NAME) if anthropic else whole(text)
            self._send(HTTPStatus.OK, one)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in stand_in_messages.stream(text, NAME) if anthropic else stream(text):
            self.wfile.write(event)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def _send(self, status: HTTPStatus, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
