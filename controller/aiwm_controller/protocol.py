"""HTTP as uvicorn speaks it, where a request's head has a bound in size, and all of it in time.

Nobody is known yet while a head comes; without these, anybody can fill the memory or hold
connections for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST = 65_536  # bytes of a head, and of what trails a body
SECONDS = 30.0  # for a head, and for each megabyte of a body
MEGABYTE = 1 << 20


class _Flow(FlowControl):
    """Takes no more while requests wait for their turn: each answer would let many more come."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Take more, unless there is enough."""
        if not self._waiting:
            super().resume_reading()


class BoundedHttp(HttpToolsProtocol):
    """Answers 400 to a head that is too large, and leaves a request that does not come."""

    _in_head = True
    _in_body = False
    _received = _trailing = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        before = self._received
        self._received += len(data)
        super().data_received(data)
        if self._in_body and self._received // MEGABYTE != before // MEGABYTE:
            self._wait_no_more()
        if self.transport.is_closing():
            return
        if self._in_head and self._received > LARGEST:
            self.send_400_response("The head of the request is too large.")
        elif self._patience is None and self._is_owed():
            self._wait()

    def _is_owed(self) -> bool:
        """Say whether it is the client's turn: a head, a body or, after empty lines, a request."""
        return self._in_head or self._in_body or self.cycle.response_complete

    def begin(self) -> None:
        """Count from here."""
        self._in_head = True
        self._received = self._trailing = 0

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.begin()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one that trails a body counts by itself."""
        if not self._in_head:
            self._trailing += len(name) + len(value)
            if self._trailing > LARGEST:
                raise ValueError("too much trails the body")  # the parser's caller answers 400
        super().on_header(name, value)

    def head_is_there(self) -> None:
        """Wait no more for it, and from now on for the body."""
        self._in_head = False
        self._in_body = True
        self._wait_no_more()

    def on_headers_complete(self) -> None:
        """Take the head."""
        self.head_is_there()
        super().on_headers_complete()

    def body_is_there(self) -> None:
        """Wait no more."""
        self._in_body = False
        self._wait_no_more()

    def on_message_complete(self) -> None:
        """Take the end of the body."""
        self.body_is_there()
        super().on_message_complete()

    def _wait(self) -> None:
        self._patience = self.loop.call_later(SECONDS, self._leave)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _leave(self) -> None:
        if self.flow.read_paused:  # it is us who take no more for now
            self._wait()
            return
        if not self.transport.is_closing():
            self.transport.close()
