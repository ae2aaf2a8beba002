"""A short way for heartbeats, which are nearly all that a controller gets.

It takes those that are in order. Anything else goes the whole way, with the same body: the route
alone says what is wrong with a heartbeat.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from pydantic import ValidationError

from aiwm_controller.beats import Beat
from aiwm_controller.errors import Fault
from aiwm_controller.limits import App, Message, Receive, Scope, Send
from aiwm_controller.logs import HEADER
from aiwm_controller.state import State
from aiwm_controller.tokens import Bearer, Tokens
from aiwm_controller.wire import HeartbeatIn

_LARGEST = 16_384
_REMEMBERED = 200_000
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BEARER = b"Bearer "


class KnownTokens:
    """Remembers which tokens were verified, until they expire: HMAC and JSON take a while."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Bearer, int]] = OrderedDict()

    def bearer(self, token: bytes, tokens: Tokens) -> Bearer:
        """Give the agent of a token; raises Unauthorized as `Tokens.verify` does."""
        found = self._known.get(token)
        if found is not None and found[1] > time.time():
            return found[0]
        text = token.decode("latin-1")
        bearer, expires = tokens.verify(text, "agent"), tokens.expiry(text)
        self._known[token] = (bearer, expires)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return bearer


class Express:
    """Answers heartbeats before anything else looks at them."""

    def __init__(self, app: App, prefix: str, state: Callable[[], State | None]) -> None:
        self._app = app
        self._head, self._tail = f"{prefix}/agents/", "/heartbeat"
        self._state = state
        self._tokens = KnownTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        state = self._state()
        if scope["type"] != "http" or state is None or not self._is_heartbeat(scope):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or len(length) > 5 or int(length) > _LARGEST:
            await self._app(scope, receive, send)
            return
        body, read = await _read(receive)
        try:
            answer = await self._taken(state, scope["path"], headers, body)
        except (Fault, ValidationError):
            await self._app(scope, _replay(read, receive), send)
            return
        given = headers.get(HEADER, b"")
        correlation = given if _ID.fullmatch(given) else secrets.token_hex(8).encode()
        await _say(send, answer, correlation)
        state.meters.heartbeat_requests.inc()

    def _is_heartbeat(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return (
            scope["method"] == "POST" and path.endswith(self._tail) and path.startswith(self._head)
        )

    async def _taken(
        self, state: State, path: str, headers: dict[bytes, bytes], body: bytes
    ) -> bytes:
        authorization = headers.get(b"authorization", b"")
        if not authorization.startswith(_BEARER):
            raise Fault("no token")
        bearer = self._tokens.bearer(authorization[len(_BEARER) :], state.tokens)
        if path[len(self._head) : -len(self._tail)] != bearer.id:
            raise Fault("another agent's token")
        beat = beat_of(bearer, HeartbeatIn.model_validate_json(body))
        version = await state.beats.record(beat)
        return b'{"success":true,"acknowledged":true,"nextHeartbeat":%d,"configVersion":%d}' % (
            state.settings.next_heartbeat,
            version,
        )


def beat_of(bearer: Bearer, said: HeartbeatIn) -> Beat:
    """Give what is stored of a heartbeat."""
    metrics, upgrade = said.metrics, said.last_upgrade
    return Beat(
        agent_id=bearer.id,
        generation=bearer.generation,
        status=said.status,
        version=said.version,
        metrics=metrics.model_dump_json(by_alias=True, exclude_unset=True) if metrics else None,
        config_seen=said.config_version,
        upgrade=upgrade.model_dump_json(by_alias=True) if upgrade else None,
    )


async def _read(receive: Receive) -> tuple[bytes, list[Message]]:
    read = [await receive()]
    while read[-1]["type"] == "http.request" and read[-1].get("more_body", False):
        read.append(await receive())
    return b"".join(each.get("body", b"") for each in read), read


def _replay(read: list[Message], receive: Receive) -> Receive:
    async def replay() -> Message:
        return read.pop(0) if read else await receive()

    return replay


async def _say(send: Send, body: bytes, correlation: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (HEADER, correlation),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
