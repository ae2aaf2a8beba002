"""Only what changed is connected anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from xora_agent.errors import PlatformError
from xora_agent.platform import Access, Room
from xora_agent.platforms import Platforms
from xora_agent.secret import Secret

from tests.support.xora.fakes import FakePlatform


async def receive(room: Room, author: str, text: str) -> None:
    raise AssertionError("nobody writes here")


def access(token: str, *allowed: str) -> Access:
    return Access(Secret(token), frozenset(allowed))


def play(
    test: Callable[[Platforms, list[str]], Awaitable[None]],
    failures: list[BaseException] | None = None,
) -> None:
    async def run() -> None:
        seen: list[str] = []
        left = failures or []
        makers = {
            name: lambda access: FakePlatform(access, seen, left)
            for name in ("discord", "telegram")
        }
        platforms = Platforms(makers, receive, first_wait=0.01)
        try:
            await asyncio.wait_for(test(platforms, seen), 10)
        finally:
            await platforms.stop()

    asyncio.run(run())


async def connected(platforms: Platforms) -> None:
    while any(each["state"] != "connected" for each in platforms.report().values()):
        await asyncio.sleep(0.005)


def test_only_what_changed_connects_anew() -> None:
    async def test(platforms: Platforms, seen: list[str]) -> None:
        both = {"discord": access("d"), "telegram": access("t", "1")}
        assert platforms.want(both) == ("discord", "telegram")
        await connected(platforms)
        assert seen == ["start d", "start t"]
        assert platforms.want(both) == ()
        assert platforms.want({**both, "telegram": access("t", "2")}) == ("telegram",)
        await connected(platforms)
        assert seen[2:] == ["stop t", "start t"]
        assert platforms.want({"telegram": access("t", "2")}) == ("discord",)
        assert list(platforms.report()) == ["telegram"]

    play(test)


def test_one_that_cannot_connect_is_tried_again() -> None:
    async def test(platforms: Platforms, seen: list[str]) -> None:
        platforms.want({"discord": access("d")})
        while platforms.report()["discord"]["state"] != "failing":
            await asyncio.sleep(0.001)
        assert platforms.report()["discord"]["error"]
        await connected(platforms)
        assert seen == ["start d", "stop d", "start d", "stop d", "start d"]
        assert "error" not in platforms.report()["discord"]

    play(test, [PlatformError("the token is refused"), KeyError("a bug")])


def test_one_that_fails_after_it_was_connected_is_told_of() -> None:
    async def test(platforms: Platforms, seen: list[str]) -> None:
        platforms.want({"discord": access("d")})
        await connected(platforms)
        kept = platforms._kept["discord"].platform
        assert isinstance(kept, FakePlatform)
        kept.trouble = "Discord refuses the token"
        failing = {"state": "failing", "error": "Discord refuses the token"}
        assert platforms.report() == {"discord": failing}
        kept.trouble = ""
        assert platforms.report() == {"discord": {"state": "connected"}}

    play(test)


def test_stop_stops_those_that_are_still_trying() -> None:
    seen_at_the_end: list[str] = []

    async def test(platforms: Platforms, seen: list[str]) -> None:
        platforms.want({"discord": access("d"), "telegram": access("t")})
        await asyncio.sleep(0.02)
        await platforms.stop()
        assert platforms.report() == {}
        seen_at_the_end.extend(seen)
        await asyncio.sleep(0.05)
        assert seen == seen_at_the_end

    play(test, [PlatformError("no")] * 1000)
    assert seen_at_the_end[-1].startswith("stop")
