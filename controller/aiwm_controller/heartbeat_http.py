"""HTTP for a server that gets little but heartbeats: those in order need no task of their own.

A task, its scope, events and messages take longer than all else that is done for a heartbeat. What
is not a heartbeat in order goes the whole way, as if it had come there at once.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from aiwm_controller.errors import Fault
from aiwm_controller.express import Express
from aiwm_controller.protocol import BoundedHttp

_HEARD_BY_NOBODY = asyncio.Event()


class HeartbeatHttp(BoundedHttp):
    """Hands heartbeats to the `express` of its application."""

    _short: ShortCycle | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._express: Express = self.app.express

    def on_message_begin(self) -> None:
        """Begin a request; what the whole way needs is made where it goes there."""
        self.begin()
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Choose the way."""
        self.head_is_there()
        headers = dict(self.headers)
        once = len(headers) == len(self.headers)  # which of two counts is not for us to say
        if once and self._may_be_short() and self._express.may_take(self.url, headers):
            self._short = ShortCycle(self, self.url, self.headers, headers)
            self.cycle = cast(RequestResponseCycle, self._short)
            return
        self._short = None
        url, kept, expects = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(kept)
        HttpToolsProtocol.on_headers_complete(self)

    def _may_be_short(self) -> bool:
        """Say whether a request is a plain POST, with nothing under way before it."""
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
        )

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._short is None:
            super().on_body(body)
        else:
            self._short.body += body

    def on_message_complete(self) -> None:
        """Have a heartbeat stored."""
        short, self._short = self._short, None
        if short is None:
            super().on_message_complete()
            return
        self.body_is_there()
        if not self._express.take(short.url, short.fields, short.body, short.answer):
            self.go_the_whole_way(short)

    def go_the_whole_way(self, short: ShortCycle, fault: Fault | None = None) -> None:
        """Have the application look at a request; its route says a `fault` that was found."""
        url = httptools.parse_url(short.url)
        scope: HTTPScope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "root_path": self.root_path,
            "headers": short.headers,
            "state": {**self.app_state, "fault": fault},
            "method": "POST",
            "path": unquote(url.path.decode("ascii")),
            "raw_path": url.path,
            "query_string": url.query or b"",
        }
        whole = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=short.keep_alive,
            on_response=self.on_response_complete,
        )
        whole.body += short.body
        whole.more_body = False
        whole.message_event.set()
        if cast(object, self.cycle) is short:
            self.cycle = whole
        self._start_asgi_task(whole, self.app)

    def say(self, short: ShortCycle, content: bytes) -> None:
        """Answer a heartbeat that was stored."""
        parts = [b"HTTP/1.1 200 OK\r\n"]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        if not short.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(content)
        self.transport.write(b"".join(parts))
        short.response_complete = True
        if not short.keep_alive:
            self.transport.close()
        self.on_response_complete()


class ShortCycle:
    """A heartbeat from its head to its answer; the protocol knows it as it knows uvicorn's own."""

    __slots__ = (
        *("_protocol", "url", "headers", "fields", "body"),
        *("response_complete", "disconnected", "keep_alive", "message_event"),
    )

    def __init__(
        self,
        protocol: HeartbeatHttp,
        url: bytes,
        headers: list[tuple[bytes, bytes]],
        fields: dict[bytes, bytes],
    ) -> None:
        self._protocol = protocol
        self.url = url
        self.headers = headers
        self.fields = fields
        self.body = b""
        self.response_complete = self.disconnected = False
        self.keep_alive = True
        self.message_event = _HEARD_BY_NOBODY

    def answer(self, found: bytes | Fault) -> None:
        """Say that it was stored, or let the application say why not."""
        if self.disconnected or self._protocol.transport.is_closing():
            return
        if isinstance(found, Fault):
            self._protocol.go_the_whole_way(self, found)
        else:
            self._protocol.say(self, found)
