"""What goes from an agent to a model's provider, and what comes back: pure functions.

The agent's token ends here, and the provider's key begins here: neither passes to the other side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote_to_bytes

from aiwm_controller.errors import BadRequest, Unauthorized

Headers = Sequence[tuple[bytes, bytes]]

BEARER = b"authorization"
_KEYS = (b"x-api-key", b"x-goog-api-key")  # where the SDKs of Anthropic and Google put a key
# RFC 9110, section 7.6.1; and what tells of the connection between agent and controller.
_HOP = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate"),
    *(b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
}
_OURS = {
    *(b"host", b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"cookie"),
    *(b"expect", b"forwarded", b"via", b"x-real-ip", b"x-correlation-id", b"date"),
}
_THEIRS = {b"set-cookie", b"alt-svc", b"strict-transport-security", b"x-correlation-id", b"server"}
_REDIRECTS = {301, 302, 303, 307, 308}

DEFAULTS = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com/v1",
    "google": "https://generativelanguage.googleapis.com",
    "groq": "https://api.groq.com",
}


def token_in(headers: Headers) -> str:
    """Give the agent's token, from where the provider's SDK puts its key; raises Unauthorized."""
    found = {name.lower(): value for name, value in headers}
    scheme, _, token = found.get(BEARER, b"").partition(b" ")
    given = token if scheme.lower() == b"bearer" else b""
    given = given or next((found[name] for name in _KEYS if found.get(name)), b"")
    if not given:
        raise Unauthorized("the agent's token is missing", hint="send it where the key would be")
    return given.decode("latin-1").strip()


def key_header(provider: str, key: str, headers: Headers) -> tuple[bytes, bytes]:
    """Give the header in which a provider takes its key."""
    name = provider.lower()
    sent = {each.lower() for each, _ in headers}
    if name == "anthropic":
        return b"x-api-key", key.encode()
    if name == "google" and b"x-goog-api-key" in sent:
        return b"x-goog-api-key", key.encode()
    return BEARER, b"Bearer " + key.encode()


def forwarded(headers: Headers, token: str) -> list[tuple[bytes, bytes]]:
    """Give the headers of a request that go on to the provider."""
    secret = token.encode("latin-1")
    dropped = _HOP | _OURS | _named(headers)
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in dropped
        and not name.lower().startswith(b"x-forwarded-")
        and secret not in value
    ]


def returned(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Give the headers of an answer that go back to the agent."""
    dropped = _HOP | _THEIRS | _named(headers)
    return [(name.lower(), value) for name, value in headers if name.lower() not in dropped]


def _named(headers: Headers) -> set[bytes]:
    """Give the headers that Connection names: they are for one connection alone."""
    values = [value for name, value in headers if name.lower() == b"connection"]
    return {word.strip().lower() for value in values for word in value.split(b",")}


def is_redirect(status: int) -> bool:
    """Say whether an answer sends elsewhere: nobody follows it with a key."""
    return status in _REDIRECTS


def target(base: SplitResult, raw_path: bytes, query: bytes, token: str) -> bytes:
    """Give the path and query at the provider; raises BadRequest for a way out of its path.

    Args:
        base: The provider's address; its path and query come first.
        raw_path: What follows /inference/, as it came over the wire.
        query: The request's query, as it came.
        token: The agent's; a part of the query that holds it is left out.
    """
    for segment in raw_path.removesuffix(b"/").split(b"/"):
        plain = unquote_to_bytes(segment)
        if plain in {b"", b".", b".."} or re.search(rb"[/\\%\x00-\x20\x7f]", plain):
            raise BadRequest("this path leads nowhere at the provider")
    secret = token.encode("latin-1")
    parts = [each for each in query.split(b"&") if each and secret not in unquote_to_bytes(each)]
    parts = [*filter(None, base.query.encode().split(b"&")), *parts]
    path = base.path.rstrip("/").encode() + b"/" + raw_path
    return path + (b"?" + b"&".join(parts) if parts else b"")
