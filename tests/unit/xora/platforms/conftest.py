"""Tests of platforms run on asyncio, and leave nothing behind."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is never reached through a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Take all that is logged, at the level that tells most."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
async def nothing_left(anyio_backend: str) -> AsyncIterator[None]:
    """Hold a test to ending what it began."""
    yield
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if "TestRunner" not in repr(task.get_coro())]
    assert not left, f"these tasks still run: {left}"
