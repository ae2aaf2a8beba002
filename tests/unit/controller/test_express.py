"""The short way of heartbeats stores what the long way would."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiwm_controller.express import KnownTokens, beat_of, simple_beat
from aiwm_controller.tokens import Bearer, Tokens
from aiwm_controller.wire import HeartbeatIn
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.aiwm import Running, Watch

NAMES = ("status", "version", "configVersion", "config_version", "metrics", "lastUpgrade", "x")
METRICS = ("uptime", "cpu", "memoryUsage", "memory_usage", "mine", "", "model_config")
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(),
    st.text(max_size=110),
    st.sampled_from(["online", "busy", "idle", "1.2.3", "1\n2", "\x7f"]),
    st.just([]),
)
BODIES = st.dictionaries(
    st.sampled_from(NAMES),
    VALUES | st.dictionaries(st.sampled_from(METRICS), VALUES, max_size=4),
    max_size=5,
)


def long(body: bytes) -> Any:
    """Give the beat by the long way, with its JSON read, or None where it is refused."""
    try:
        return read(beat_of("a", 3, HeartbeatIn.model_validate_json(body)))
    except ValidationError:
        return None


def read(beat: Any) -> Any:
    metrics = None if beat.metrics is None else json.loads(beat.metrics)
    return beat.agent_id, beat.generation, beat.status, beat.version, metrics, beat.config_seen


@given(BODIES, st.booleans())
def test_both_ways_agree(body: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps({"status": "online"} | body, ensure_ascii=ascii_only)
    raw = text.encode("utf-8", "surrogatepass")
    simple = simple_beat("a", 3, raw)
    assert simple is None or read(simple) == long(raw)


@given(st.binary(max_size=60))
def test_both_ways_agree_on_noise(raw: bytes) -> None:
    body = b'{"status":"online","metrics":{"a":' + raw + b"}}"
    simple = simple_beat("a", 3, body)
    assert simple is None or read(simple) == long(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"online"}',
        b'{"status":"busy","version":"1.2.3","configVersion":7}',
        b'{"status":"idle","metrics":{"uptime":3600,"memoryUsage":1.5,"mine":-2e3}}',
        b'{"status":"online","metrics":null,"configVersion":null}',
        b' {"status" : "online", "metrics": {}}\n',
    ],
)
def test_what_agents_send_goes_the_short_way(body: bytes) -> None:
    beat = simple_beat("a", 3, body)
    assert beat is not None
    assert read(beat) == long(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"status":"on\\u006cine"}',
        b'{"status":"online","metrics":{"a":NaN}}',
        b'{"status":"online","metrics":{"a":1e999}}',
        b'{"status":"online","metrics":{"a":9223372036854775808}}',
        b'{"status":"online","metrics":{"memory_usage":1}}',
        b'{"status":"online","lastUpgrade":{"outcome":"committed"}}',
        b'{"status":"online","version":"' + b"1" * 101 + b'"}',
        b'{"status":"online","version":"\xc3\xa9"}',
    ],
)
def test_what_needs_a_closer_look_goes_the_long_way(body: bytes) -> None:
    assert simple_beat("a", 3, body) is None


def test_known_tokens_are_kept_as_digests_until_they_expire(monkeypatch: Any) -> None:
    watch, tokens, known = Watch(), Tokens("k" * 32), KnownTokens()
    monkeypatch.setattr("time.time", lambda: watch().timestamp())
    bearer = Bearer("agent", "a1", "o1", (), 4)
    token = tokens.issue(bearer, now=watch(), seconds=10**9).encode()
    first = known.caller(token, tokens)
    assert (first.id, first.generation) == ("a1", 4)
    assert known.caller(token, Tokens("other" * 8)) is first, "it is not verified again"
    assert token not in str(vars(known)).encode()
    watch.later(seconds=10**9)
    assert known.caller(token, tokens) is not first


def test_a_remembered_token_ends_with_its_secret(running: Running) -> None:
    agent, caller = running.connected()
    path = f"/agents/{agent['id']}/heartbeat"
    assert caller.status("POST", path, {"status": "online"}) == 200
    running.owner.ok("PUT", f"/agents/{agent['id']}", {"status": "suspended"})
    assert caller.status("POST", path, {"status": "online"}) == 401
    running.owner.ok("PUT", f"/agents/{agent['id']}", {"status": "active"})
    assert caller.status("POST", path, {"status": "online"}) == 200
    running.credentials(agent["id"])
    assert caller.status("POST", path, {"status": "online"}) == 401
