"""The way to the controller: with the account of now, and again where nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from xora_agent.controller import Controller
from xora_agent.errors import SettingError, Unreachable, XoraError
from xora_agent.logs import log, told
from xora_agent.own import Account

T = TypeVar("T")

_TRIES = 4


class Reach:
    """Holds the controller of the account that `account` gives; `open` makes a way to one."""

    def __init__(
        self,
        account: Callable[[], Account],
        open_: Callable[[Account], Controller],
        first_wait: float,
        spread: Callable[[float, float], float],
    ) -> None:
        self._given, self._open = account, open_
        self._first_wait, self._spread = first_wait, spread
        self._account = account()
        self.controller = open_(self._account)

    def is_another(self) -> bool:
        """Say whether .env names another account, or can't be used, by now."""
        try:
            return self._given() != self._account
        except SettingError:
            return True  # `renew` tells what is wrong with it

    async def renew(self) -> bool:
        """Go by what .env says now; says whether that is another account than before."""
        try:
            account = self._given()
            if account == self._account:
                return False
            opened = self._open(account)
        except XoraError as error:
            log.error("the account of .env can't be used; the one before stays", **told(error))
            return False
        await self.controller.close()
        self._account, self.controller = account, opened
        return True

    async def tried(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call, and again after about 1, 2 and 4 seconds where nobody answers.

        Each agent waits a little longer or shorter than others, who lost the controller with it.
        """
        wait = self._first_wait
        for _ in range(_TRIES - 1):
            try:
                return await call()
            except Unreachable as error:
                pause = max(wait * self._spread(0.5, 1.5), error.after * self._spread(1, 1.5))
                log.warning("trying the controller again", seconds=round(pause, 1), **told(error))
            await asyncio.sleep(pause)
            wait *= 2
        return await call()
