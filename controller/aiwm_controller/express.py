"""A short way for heartbeats, which are nearly all that a controller gets.

It takes those that are in order. Anything else goes the whole way, with the same body: the route
alone says what is wrong with a heartbeat.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from aiwm_controller.beat_plan import Beat
from aiwm_controller.errors import Fault, Unauthorized, Unavailable
from aiwm_controller.logs import HEADER, correlation_id
from aiwm_controller.state import State
from aiwm_controller.tokens import Tokens
from aiwm_controller.wire import HeartbeatIn, Metrics, Reported

Answer = Callable[[bytes | Fault], None]

_LARGEST = 16_384
_REMEMBERED = 200_000
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BEARER = b"Bearer "
_JSON = frozenset({b"application/json", b"application/json; charset=utf-8"})
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
    url: bytes  # the id as addresses have it
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
        found = self._known[digest] = Caller(
            bearer.id, bearer.id.encode(), bearer.generation, expires
        )
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


class Express:
    """Takes heartbeats from the protocol, before anything else looks at them."""

    def __init__(self, prefix: str, state: Callable[[], State | None]) -> None:
        self._head, self._tail = f"{prefix}/agents/".encode(), b"/heartbeat"
        self._state = state
        self._tokens = KnownTokens()

    def may_take(self, url: bytes, headers: Mapping[bytes, bytes]) -> bool:
        """Say whether a POST to `url` may be a heartbeat that is in order."""
        length = headers.get(b"content-length", b"")
        return (
            url.endswith(self._tail)
            and url.startswith(self._head)
            and headers.get(b"authorization", b"").startswith(_BEARER)
            and headers.get(b"content-type", b"application/json") in _JSON
            and length.isdigit()
            and len(length) <= 5
            and int(length) <= _LARGEST
            and self._state() is not None
        )

    def take(self, url: bytes, headers: Mapping[bytes, bytes], body: bytes, answer: Answer) -> bool:
        """Have a heartbeat stored, and `answer` called with what is sent back or a fault.

        False where it is not in order, and nothing was done.
        """
        state = self._state()
        beat = None if state is None else self._beat(state, url, headers, body)
        if state is None or beat is None:
            return False

        def stored(found: int | Fault) -> None:
            answer(found if isinstance(found, Fault) else self._said(state, headers, found))

        try:
            state.beats.submit(beat, stored)
        except Unavailable:
            return False
        return True

    def _beat(
        self, state: State, url: bytes, headers: Mapping[bytes, bytes], body: bytes
    ) -> Beat | None:
        try:
            caller = self._tokens.caller(headers[b"authorization"][len(_BEARER) :], state.tokens)
            if url[len(self._head) : -len(self._tail)] != caller.url:
                return None
            beat = simple_beat(caller.id, caller.generation, body)
            if beat is not None:
                return beat
            said = HeartbeatIn.model_validate_json(body)
        except (Unauthorized, ValidationError):
            return None
        return beat_of(caller.id, caller.generation, said)

    def _said(self, state: State, headers: Mapping[bytes, bytes], version: int) -> bytes:
        state.meters.heartbeat_requests.inc()
        body = b'{"success":true,"acknowledged":true,"nextHeartbeat":%d,"configVersion":%d}' % (
            state.pace.next(),
            version,
        )
        given = headers.get(HEADER, b"")
        return b"content-type: application/json\r\ncontent-length: %d\r\n%s: %s\r\n\r\n%s" % (
            len(body),
            HEADER,
            given if given and _ID.fullmatch(given) else correlation_id().encode(),
            body,
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
