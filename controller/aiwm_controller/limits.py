"""What one caller may ask for: how often, and how much at once."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from aiwm_controller.errors import BadRequest, Fault, TooLarge, TooMany

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_REMEMBERED = 100_000


def caller(address: str) -> str:
    """Give what counts as one caller: of IPv6, a /64, which is what one customer gets at least."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address  # of a socket that has none
    if found.version == 4:
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found) >> 64 << 64, 64)))


class Limiter:
    """Lets each key through `count` times in `seconds`: a bucket that fills evenly.

    The keys that were not seen for longest are forgotten, so that memory has a bound.
    """

    def __init__(
        self, count: int, seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = float(count)
        self._rate = count / seconds
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, what: str) -> None:
        """Count one; raises TooMany where there were too many."""
        left, now = self._left(key)
        if left < 1:
            seconds = int((1 - left) / self._rate) + 1
            raise TooMany(f"too many {what}", seconds=seconds)
        self._put(key, left - 1, now)

    def check(self, key: str, what: str) -> None:
        """Raise TooMany where there were too many, and count nothing."""
        left, _ = self._left(key)
        if left < 1:
            raise TooMany(f"too many {what}", seconds=int((1 - left) / self._rate) + 1)

    def _left(self, key: str) -> tuple[float, float]:
        now = self._clock()
        left, then = self._buckets.get(key, (self._count, now))
        return min(self._count, left + (now - then) * self._rate), now

    def _put(self, key: str, left: float, now: float) -> None:
        self._buckets[key] = (left, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)


@dataclass(frozen=True)
class Passing:
    """Requests whose bodies are passed on as they come, and how large those may be."""

    path: re.Pattern[str]
    limit: int

    def takes(self, scope: Scope) -> bool:
        """Say whether a request is such a one."""
        return self.path.match(scope["path"]) is not None


class Guard:
    """Refuses requests that are too large, or that have what no text of ours may have."""

    def __init__(
        self,
        app: App,
        limit: int,
        passing: Passing,
        refuse: Callable[[Fault, Scope, Receive, Send], Awaitable[None]],
    ) -> None:
        self._app = app
        self._limit = limit
        self._passing = passing
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fault = self._fault(scope)
        if fault is None:
            try:
                body = await self._body(scope, receive)
            except TooLarge as error:
                fault = error
        if fault is not None:
            await self._refuse(fault, scope, receive, send)
            return
        await self._app(scope, body, send)

    def _fault(self, scope: Scope) -> Fault | None:
        if b"%00" in scope.get("raw_path", b"") + scope["query_string"] or "\0" in scope["path"]:
            return BadRequest("the address has a NUL in it")
        limit = self._passing.limit if self._passing.takes(scope) else self._limit
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > limit:
            return TooLarge(f"the body has more than {limit} bytes")
        return None

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        """Read a body that does not say how large it is, as long as it is not too large."""
        if b"transfer-encoding" not in dict(scope["headers"]) or self._passing.takes(scope):
            return receive
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return receive
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self._limit:
                raise TooLarge(f"the body has more than {self._limit} bytes")
        left = [b"".join(parts)]

        async def replay() -> Message:
            if left:
                return {"type": "http.request", "body": left.pop(), "more_body": False}
            return await receive()

        return replay


class AssumeJson:
    """Reads a body as JSON also where curl said that it is a form, as in the documents' examples.

    The pages of `forms` do take forms. Nothing else knows its caller by a cookie, so that a form
    of another site gains nothing by this.
    """

    def __init__(self, app: App, forms: frozenset[str], passing: Passing) -> None:
        self._app = app
        self._forms = forms
        self._passing = passing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at one request."""
        ours = scope["type"] == "http" and not self._passing.takes(scope)
        if ours and scope["path"] not in self._forms:
            kept = [each for each in scope["headers"] if each[0] != b"content-type"]
            said = dict(scope["headers"]).get(b"content-type", b"")
            if said in {b"", b"application/x-www-form-urlencoded"}:
                scope["headers"] = [*kept, (b"content-type", b"application/json")]
        await self._app(scope, receive, send)
