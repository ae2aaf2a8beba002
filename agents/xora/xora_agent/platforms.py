"""Keeps the platforms connected that a configuration names, and no other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xora_agent.errors import XoraError
from xora_agent.guard import bounded, end, guarded
from xora_agent.logs import log
from xora_agent.platform import Access, Platform, Receive

Maker = Callable[[Access], Platform]

_FIRST_WAIT, _LONGEST_WAIT = 5.0, 300.0
_STOP = 10.0
# The answer to the command that changed a platform's settings still goes by the old connection.
_LAST_WORDS = 1.0


@dataclass
class _Kept:
    access: Access
    state: str = "connecting"
    error: str = ""
    platform: Platform | None = None
    task: asyncio.Task[None] | None = None

    def stands(self) -> tuple[str, str]:
        """Give its state and what is wrong: one that was connected may be so no more."""
        trouble = self.platform.trouble if self.platform and self.state == "connected" else ""
        return ("failing", trouble) if trouble else (self.state, self.error)


class Platforms:
    """Connections to Discord and Telegram; `makers` make one from its settings."""

    def __init__(
        self, makers: Mapping[str, Maker], receive: Receive, first_wait: float = _FIRST_WAIT
    ) -> None:
        self._makers = makers
        self._receive = receive
        self._first_wait = first_wait
        self._kept: dict[str, _Kept] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def want(self, wanted: Mapping[str, Access]) -> tuple[str, ...]:
        """Connect what is wanted and isn't so yet; gives the names of what changes.

        Connections with the same settings stay as they are.
        """
        changed = []
        for name in sorted({*self._kept, *wanted} & {*self._makers, *self._kept}):
            before = self._kept.get(name)
            if before is not None and before.access == wanted.get(name):
                continue
            changed.append(name)
            ending = self._end(name) if before is not None else None
            if name in wanted:
                kept = _Kept(wanted[name])
                self._kept[name] = kept
                kept.task = asyncio.create_task(self._connect(name, kept, ending))
        return tuple(changed)

    def report(self) -> dict[str, dict[str, str]]:
        """Say of each how it stands."""
        kept_by_name = sorted(self._kept.items())
        return {
            name: {"state": state, **({"error": error} if error else {})}
            for name, (state, error) in ((name, kept.stands()) for name, kept in kept_by_name)
        }

    async def stop(self) -> None:
        """Say goodbye on all of them."""
        for name in list(self._kept):
            self._end(name, 0)
        await asyncio.gather(*self._ending)

    def _end(self, name: str, after: float = _LAST_WORDS) -> asyncio.Task[None]:
        task = asyncio.create_task(self._stopped(name, self._kept.pop(name), after))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _stopped(self, name: str, kept: _Kept, after: float) -> None:
        if kept.task is not None and not kept.task.done():
            await end(kept.task)
        elif kept.state == "connected":
            await asyncio.sleep(after)
        if kept.platform is not None:
            await bounded(kept.platform.stop(), _STOP, f"stopping {name}")
        log.info("a platform was left", platform=name)

    async def _connect(self, name: str, kept: _Kept, ending: asyncio.Task[None] | None) -> None:
        if ending is not None:
            await asyncio.wait([ending])
        wait = self._first_wait
        while True:
            try:
                await guarded(self._start(name, kept), f"connecting {name}")
            except XoraError as error:
                kept.state, kept.error = "failing", error.message
                log.error(
                    "a platform is not connected",
                    platform=name,
                    error=error.message,
                    why=error.why,
                    hint=error.hint,
                    again_in=wait,
                )
                if kept.platform is not None:
                    await bounded(kept.platform.stop(), _STOP, f"stopping {name}")
                await asyncio.sleep(wait * random.uniform(0.8, 1))  # noqa: S311 - no secret
                wait = min(wait * 2, _LONGEST_WAIT)
                continue
            kept.state, kept.error = "connected", ""
            log.info("a platform is connected", platform=name, rooms=len(kept.access.allowed))
            return

    async def _start(self, name: str, kept: _Kept) -> None:
        kept.platform = self._makers[name](kept.access)
        await kept.platform.start(self._receive)
