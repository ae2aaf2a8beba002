"""The controller's API as an agent calls it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from xora_agent import __version__
from xora_agent.errors import BadAnswer, Missing, Refused, SettingError, Unreachable
from xora_agent.logs import correlation, log
from xora_agent.own import Account
from xora_agent.secret import Secret
from xora_agent.wire import Acknowledged, Configuration, Connection, parse

LARGEST = 4 << 20
_LONGEST_WAIT = 300.0


@dataclass(frozen=True)
class _Call:
    method: str
    what: str
    token: Secret | None = None
    body: Mapping[str, Any] | None = None


class Controller:
    """One agent's way to its controller. Every call raises a ControllerError where it fails."""

    def __init__(self, account: Account, timeout: float) -> None:
        self._account = account
        self._timeout = timeout
        self._base = f"{account.base_url}/agents/{quote(account.agent_id, safe='')}"
        self._proxy = _proxy_for(account.base_url)
        connector = aiohttp.TCPConnector(ssl=_context(account.ca_file), limit=8)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout),
            headers={"User-Agent": f"xora-agent/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __aenter__(self) -> Controller:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._session.close()

    async def connect(self) -> Connection:
        """Give a token and the configuration for the agent's secret."""
        body = {"secret": self._account.secret.value}
        return parse(Connection, await self._asked(_Call("POST", "connect", None, body)))

    async def config(self, token: Secret) -> Configuration:
        """Give the newest configuration."""
        return parse(Configuration, await self._asked(_Call("GET", "config", token)))

    async def heartbeat(self, token: Secret, body: Mapping[str, Any]) -> Acknowledged:
        """Send a sign of life."""
        return parse(Acknowledged, await self._asked(_Call("POST", "heartbeat", token, body)))

    async def disconnect(self, token: Secret, reason: str) -> None:
        """Say goodbye."""
        await self._asked(_Call("POST", "disconnect", token, {"reason": reason}))

    async def _asked(self, call: _Call) -> Any:
        known_as = correlation()
        headers = {"X-Correlation-Id": known_as, "Accept": "application/json"}
        if call.token is not None:
            headers["Authorization"] = f"Bearer {call.token.value}"
        if self._session.closed:  # as another account was taken just now
            raise Unreachable("the way to this controller was closed")
        begin = asyncio.get_running_loop().time()
        status = 0
        try:
            async with self._session.request(
                call.method,
                f"{self._base}/{call.what}",
                json=call.body,
                headers=headers,
                proxy=self._proxy,
                allow_redirects=False,  # a redirect would carry the secret to somebody else
            ) as response:
                status = response.status
                data = await _body(response)
                return _answer(response, data)
        except asyncio.TimeoutError as error:
            raise Unreachable(
                f"the controller did not answer within {self._timeout:g} s",
                hint="check AIWM_BASE_URL and the network",
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(
                "the controller can't be reached",
                why=_reason(error),
                hint="check AIWM_BASE_URL, the network and, with a CA of your own, SSL_CERT_FILE",
            ) from error
        finally:
            took = round((asyncio.get_running_loop().time() - begin) * 1000)
            log.debug(
                "asked the controller",
                what=call.what,
                status=status,
                correlation=known_as,
                milliseconds=took,
            )


async def _body(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        data += chunk
        if len(data) > LARGEST:
            raise BadAnswer(
                "the controller's answer can't be used",
                why=f"it is larger than {LARGEST} bytes",
                hint="check AIWM_BASE_URL",
            )
    return bytes(data)


def _answer(response: aiohttp.ClientResponse, data: bytes) -> Any:
    """Give the JSON of a good answer; raises what a bad one means."""
    status = response.status
    if 200 <= status < 300:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            kind = re.sub(r"[^\w/+.-]", "", response.content_type)[:60]
            raise BadAnswer(
                "the controller's answer is no JSON",
                why=f"it is {kind or 'of no type'}, {len(data)} bytes",
                hint="check AIWM_BASE_URL: a proxy or another service may answer there",
            ) from None
    said = _said(data)
    if status in {401, 403}:
        raise Refused(
            "the controller refuses this agent",
            why=said or f"status {status}",
            hint="check AIWM_AGENT_ID and AIWM_AGENT_SECRET, and that it is not suspended",
        )
    if status == 404:
        raise Missing(
            "the controller knows no such agent",
            why=said or "status 404",
            hint="check AIWM_AGENT_ID and AIWM_BASE_URL, or ask who runs the controller",
        )
    if status in {408, 425, 429} or status >= 500:
        after = _seconds(response.headers.get("Retry-After", ""))
        why = f"status {status}" + (f": {said}" if said else "")
        raise Unreachable("the controller can't answer now", why=why, after=after)
    raise BadAnswer(
        "the controller does not take what this agent sends",
        why=f"status {status}" + (f": {said}" if said else ""),
        hint="check AIWM_BASE_URL, and that controller and agent are of versions that fit",
    )


def _said(data: bytes) -> str:
    """Give the sentence in an error's body, as one short line."""
    try:
        found = json.loads(data[:65_536])
    except (ValueError, RecursionError):
        return ""
    message = found.get("message") if isinstance(found, dict) else None
    return re.sub(r"[\x00-\x1f\x7f]+", " ", message)[:200] if isinstance(message, str) else ""


def _seconds(text: str) -> float:
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else 0


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"[:300]
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0
        return os.strerror(number) if number > 0 else str(error.os_error)[:300]
    return f"{type(error).__name__}: {error}"[:300]


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        raise SettingError(
            f"SSL_CERT_FILE can't be used: {ca_file}", why=error.strerror or str(error)
        ) from error


def _proxy_for(url: str) -> str | None:
    """Give the proxy that the environment names for this address, if it names one.

    aiohttp would look by itself, but then it sends what stands in ~/.netrc too.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"} or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)
