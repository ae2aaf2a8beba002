"""Requests to addresses that people have set: none reaches what only this machine may reach.

Names are resolved here, and the address that was looked at is the one that is connected to, so
that a name can't say one thing when asked and another when used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from urllib.parse import SplitResult, urlsplit

import httpcore2

from aiwm_controller.errors import (
    BadGateway,
    BadRequest,
    Fault,
    Forbidden,
    GatewayTimeout,
    Unavailable,
)
from aiwm_controller.networks import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Headers = list[tuple[bytes, bytes]]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CONNECT, _WRITE, _POOL = 10.0, 60.0, 10.0
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Reach:
    """Which addresses may be asked: public ones, and private networks that are named."""

    private: tuple[Network, ...] = ()

    def allows(self, text: str) -> bool:
        """Say whether an IP address may be connected to."""
        address = ipaddress.ip_address(text.split("%", maxsplit=1)[0])
        return all(self._one(each) for each in (address, *_within(address)))

    def _one(self, address: Address) -> bool:
        named = any(
            address in network for network in self.private if network.version == address.version
        )
        return named or (address.is_global and not address.is_multicast)


def _within(address: Address) -> list[Address]:
    """Give the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


class _Looking(httpcore2.AsyncNetworkBackend):
    """Connects only to addresses that are allowed."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve a name, look at all its addresses, and connect to the first that answers."""
        failed: Exception = httpcore2.ConnectError("the name has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} can't be resolved") from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if not all(self._reach.allows(each) for each in addresses):
            raise Forbidden(
                f"{host} is an address of a private network",
                hint="who runs the controller can allow it by AIWM_PRIVATE_ENDPOINTS",
            )
        return addresses

    async def sleep(self, seconds: float) -> None:
        """Wait between tries."""
        await self._inner.sleep(seconds)


@dataclass(frozen=True)
class Asked:
    """One request; `target` is its path with its query, as it goes over the wire."""

    method: str
    base: SplitResult
    target: bytes
    headers: Headers
    body: bytes | AsyncIterator[bytes] | None = None
    seconds: float = 600


@cache
def _trusting() -> ssl.SSLContext:
    """Give what trusts this machine's roots; to read them takes longer than a request."""
    return ssl.create_default_context()


class Outbound:
    """Sends requests, and follows no redirect."""

    def __init__(self, reach: Reach, *, connections: int = 500) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_trusting(),
            max_connections=connections,
            max_keepalive_connections=50,
            keepalive_expiry=30,
            network_backend=_Looking(reach),
        )

    @asynccontextmanager
    async def ask(self, asked: Asked) -> AsyncIterator[httpcore2.Response]:
        """Send a request and give the answer, whose body is read as it comes."""
        try:
            async with self._pool.stream(
                asked.method,
                _url(asked),
                headers=[(b"Host", _authority(asked.base)), *asked.headers],
                content=asked.body,
                extensions={"timeout": _timeouts(asked.seconds)},
            ) as response:
                yield response
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as e:
            raise _told(e) from e

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


def endpoint_of(text: str) -> SplitResult:
    """Read an address that people have set; raises BadRequest where it can't be asked."""
    try:
        parts = urlsplit(text)
        _host(parts)
        known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a name that is too long, half a bracket
        known = False
    if not known:
        raise BadRequest("this is no http or https address")
    if "@" in parts.netloc:
        raise BadRequest("an address with a user in it", hint="a secret has a field of its own")
    return parts


def _host(parts: SplitResult) -> bytes:
    host = parts.hostname or ""
    return host.encode() if ":" in host else host.encode("idna")


def _authority(parts: SplitResult) -> bytes:
    host = _host(parts)
    host = b"[%b]" % host if b":" in host else host
    return host if parts.port is None else b"%b:%d" % (host, parts.port)


def _url(asked: Asked) -> httpcore2.URL:
    return httpcore2.URL(
        scheme=asked.base.scheme.encode(),
        host=_host(asked.base),
        port=asked.base.port or _PORTS[asked.base.scheme],
        target=asked.target,
    )


def _timeouts(seconds: float) -> Mapping[str, float]:
    return {"connect": _CONNECT, "write": _WRITE, "pool": _POOL, "read": seconds}


def _told(error: Exception) -> Fault:
    if isinstance(error, httpcore2.PoolTimeout):
        return Unavailable("too many requests wait for an answer from elsewhere")
    if isinstance(error, httpcore2.TimeoutException):
        return GatewayTimeout("the address behind this did not answer in time")
    return BadGateway("the address behind this does not answer", hint=str(error)[:200])
