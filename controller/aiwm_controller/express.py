"""A short way for heartbeats, which are nearly all that a controller gets.

It takes those that are in order. Anything else goes the whole way, with the same body: the route
alone says what is wrong with a heartbeat.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from aiwm_controller.beats import Beat
from aiwm_controller.errors import Fault
from aiwm_controller.limits import App, Message, Receive, Scope, Send
from aiwm_controller.logs import HEADER, correlation_id
from aiwm_controller.state import State
from aiwm_controller.tokens import Tokens
from aiwm_controller.wire import HeartbeatIn, Metrics, Reported

_LARGEST = 16_384
_REMEMBERED = 200_000
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BEARER = b"Bearer "
_SIMPLE = 4096
_LARGEST_NUMBER = 1 << 53  # any smaller one is the same in every database and program
_STATUSES = frozenset(get_args(Reported))
_NAMES = frozenset({"status", "version", "configVersion", "metrics"})
_RENAMED = frozenset(
    name for name, each in Metrics.model_fields.items() if each.alias not in (None, name)
)


class Caller(NamedTuple):
    """The agent of a token, and when that expires in seconds since 1970."""

    id: str
    generation: int
    expires: int


class KnownTokens:
    """Remembers which tokens were verified, until they expire: HMAC and JSON take a while.

    It keeps their digests, not the tokens. What ends a token early is looked up for each heartbeat.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Caller] = OrderedDict()

    def caller(self, token: bytes, tokens: Tokens) -> Caller:
        """Give the agent of a token; raises Unauthorized as `Tokens.verify` does."""
        digest = hashlib.sha256(token).digest()
        found = self._known.get(digest)
        if found is not None and found.expires > time.time():
            return found
        bearer, expires = tokens.verify_until(token.decode("latin-1"), "agent")
        found = self._known[digest] = Caller(bearer.id, bearer.generation, expires)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


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
        correlation = given if _ID.fullmatch(given) else correlation_id().encode()
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
        caller = self._tokens.caller(authorization[len(_BEARER) :], state.tokens)
        if path[len(self._head) : -len(self._tail)] != caller.id:
            raise Fault("another agent's token")
        beat = simple_beat(caller.id, caller.generation, body)
        if beat is None:
            said = HeartbeatIn.model_validate_json(body)
            beat = beat_of(caller.id, caller.generation, said)
        version = await state.beats.record(beat)
        return b'{"success":true,"acknowledged":true,"nextHeartbeat":%d,"configVersion":%d}' % (
            state.pace.next(),
            version,
        )


def beat_of(agent_id: str, generation: int, said: HeartbeatIn) -> Beat:
    """Give what is stored of a heartbeat."""
    metrics, upgrade = said.metrics, said.last_upgrade
    return Beat(
        agent_id=agent_id,
        generation=generation,
        status=said.status,
        version=said.version,
        metrics=metrics.model_dump_json(by_alias=True, exclude_unset=True) if metrics else None,
        config_seen=said.config_version,
        upgrade=upgrade.model_dump_json(by_alias=True) if upgrade else None,
    )


def simple_beat(agent_id: str, generation: int, body: bytes) -> Beat | None:
    """Give what is stored of a heartbeat that is plain to see, and None for any other.

    It takes a third of the time of `HeartbeatIn`, which judges whatever is left over here.
    """
    said = _simple_json(body)
    if type(said) is not dict or not _in_order(said):
        return None
    metrics = said.get("metrics")
    return Beat(
        agent_id=agent_id,
        generation=generation,
        status=said["status"],
        version=said.get("version", ""),
        metrics=None if metrics is None else to_json(metrics).decode(),
        config_seen=said.get("configVersion"),
        upgrade=None,
    )


def _simple_json(body: bytes) -> Any:
    # Escapes may hide a NUL or half a character.
    if len(body) > _SIMPLE or not body.isascii() or b"\\" in body or b"\x7f" in body:
        return None
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        return None


def _in_order(said: dict[str, Any]) -> bool:
    status, version, seen = said.get("status"), said.get("version", ""), said.get("configVersion")
    return (
        said.keys() <= _NAMES
        and type(status) is str
        and status in _STATUSES
        and type(version) is str
        and len(version) <= 100
        and (seen is None or (type(seen) is int and 0 <= seen < 1 << 31))
        and _are_numbers(said.get("metrics"))
    )


def _are_numbers(metrics: Any) -> bool:
    return metrics is None or (
        type(metrics) is dict
        and all(
            (type(value) is int or type(value) is float)
            and -_LARGEST_NUMBER < value < _LARGEST_NUMBER
            and name not in _RENAMED
            for name, value in metrics.items()
        )
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
