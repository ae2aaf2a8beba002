"""A model that repeats what it is told, over OpenAI's API: one file of the standard library alone.

`python echo.py --port 8080` says where it listens, as `http://127.0.0.1:8080/v1`. It knows chat
completions, streamed or whole, wants no key, and stops at SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = "echo"


def last_words(messages: list[dict[str, Any]]) -> str:
    """Give what was said last: a text, or the texts among its parts."""
    content = messages[-1].get("content") if messages else ""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def completion(text: str, model: str) -> dict[str, Any]:
    """Make a whole answer."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {**_frame("chat.completion", model), "choices": [choice], "usage": usage}


def chunks(text: str, model: str) -> Iterator[bytes]:
    """Make an answer that comes word by word."""
    for word in re.findall(r"\s*\S+|\s+$", text):
        yield _chunk(model, {"role": "assistant", "content": word}, None)
    yield _chunk(model, {}, "stop")
    yield b"data: [DONE]\n\n"


def _chunk(model: str, delta: dict[str, str], reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {**_frame("chat.completion.chunk", model), "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _frame(kind: str, model: str) -> dict[str, Any]:
    return {"id": "chatcmpl-echo", "object": kind, "created": 0, "model": model}


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing: what people write is not for a log."""

    def do_GET(self) -> None:
        """List the one model."""
        if not self.path.endswith("/models"):
            self._send(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        model = {"id": NAME, "object": "model", "created": 0, "owned_by": "toolkit"}
        self._send(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        """Repeat what was said last."""
        try:
            asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
            text = f"You said: {last_words(asked['messages'])}"
        except (ValueError, KeyError, TypeError, AttributeError):
            self._send(400, {"error": {"message": "this is no chat completion"}})
            return
        if not self.path.endswith("/chat/completions"):
            self._send(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        model = str(asked.get("model") or NAME)
        if asked.get("stream"):
            self._stream(chunks(text, model))
        else:
            self._send(200, completion(text, model))

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for piece in pieces:
            self.wfile.write(piece)


def main() -> None:
    """Listen on this machine until told to stop."""
    parser = argparse.ArgumentParser(description="a model that repeats what it is told")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    server.daemon_threads = True
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}/v1\n")
    sys.stdout.flush()
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
