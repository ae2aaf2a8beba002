"""A stand-in of a chat's server, and the platforms that a test starts against it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from xora_agent.platform import Access, Platform
from xora_agent.secret import Secret

from tests.support.platforms.heard import Heard

# What takes more seconds waits for something that never comes.
HANGS = 20.0


class _StandIn(Protocol):
    def run(self) -> AbstractAsyncContextManager[str]:
        """Serve it; give what goes into Access.api_url."""
        ...


A = TypeVar("A", bound=_StandIn)
P = TypeVar("P", bound=Platform)


class Platforms(Generic[A, P]):
    """A stand-in, and what it takes to connect to it."""

    def __init__(self, api: A, make: Callable[[Access], P], access: Access) -> None:
        self.api = api
        self.started: list[P] = []
        self._make = make
        self._access = access

    async def start(self, heard: Heard, token: str | None = None, own_name: str = "") -> P:
        """Connect a platform, with another token where one is given."""
        secret = self._access.token if token is None else Secret(token)
        platform = self._make(replace(self._access, token=secret, own_name=own_name))
        self.started.append(platform)
        await platform.start(heard)
        return platform


@asynccontextmanager
async def run(
    api: A, make: Callable[[Access], P], token: str, allowed: frozenset[str]
) -> AsyncIterator[Platforms[A, P]]:
    """Serve a stand-in; what a test starts is stopped before it is."""
    async with api.run() as url:
        running = Platforms(api, make, Access(Secret(token), allowed, api_url=url))
        yield running
        for platform in running.started:
            await platform.stop()
