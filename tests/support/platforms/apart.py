"""Stand-ins in a thread of their own, for tests that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.support.platforms.discord import DiscordApi
from tests.support.platforms.telegram import TelegramApi

T = TypeVar("T")


@dataclass
class Apart:
    """Both stand-ins, as they run; `env` leads an agent to them."""

    discord: DiscordApi
    telegram: TelegramApi
    loop: asyncio.AbstractEventLoop
    env: dict[str, str]

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Let something happen there, such as `do(apart.discord.write("hello"))`."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)


@contextmanager
def apart() -> Iterator[Apart]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stand-ins of platforms")
    thread.start()
    stack = AsyncExitStack()
    running = Apart(DiscordApi(), TelegramApi(), loop, {"NO_PROXY": "127.0.0.1"})
    try:
        for name, api in (("DISCORD", running.discord), ("TELEGRAM", running.telegram)):
            running.env[f"{name}_API_URL"] = running.do(stack.enter_async_context(api.run()))
        yield running
    finally:
        running.do(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
