"""Keeps the agent connected with its controller: connects, beats, refreshes, and tries again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timezone

from xora_agent.errors import ControllerError, Missing, Refused, Unreachable, XoraError
from xora_agent.guard import end, within
from xora_agent.logs import log, told
from xora_agent.reach import Reach
from xora_agent.secret import Secret
from xora_agent.ways import Applied, State, Ways
from xora_agent.wire import Configuration, Connection

_SOONEST_REFRESH = 5.0
_SHORTEST_INTERVAL = 1.0
_GOODBYE = 3.0


@dataclass
class _Session:
    token: Secret
    began: float
    until: float
    version: int | None


class Link:
    """One agent's standing with its controller. `run` never ends, and no fault ends it."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._reach = Reach(ways.account, ways.open, ways.times.backoff, ways.spread)
        self._session: _Session | None = None
        self._interval = ways.times.heartbeat
        self._due = 0.0
        self._fresh, self._wake = asyncio.Event(), asyncio.Event()
        self._reconnect = self._stale = False
        self._asked: list[asyncio.Future[Applied]] = []
        self._configured = False
        self.state = State.CONNECTING
        self.error = ""
        self.config_error = ""
        self.config_version: int | None = None
        self.connected_at: str | None = None
        self.beaten_at: str | None = None

    async def run(self) -> None:
        """Do all of it until cancelled."""
        tasks = [asyncio.ensure_future(each) for each in (self._keep(), self._beat())]
        try:
            await asyncio.gather(*tasks)
        finally:
            await end(*tasks)

    async def close(self, reason: str) -> None:
        """Tell the controller that the agent goes, and why; then close."""
        if self._session is not None:
            try:
                goodbye = self._reach.controller.disconnect(self._session.token, reason)
                await within(goodbye, _GOODBYE)
                log.info("disconnected", reason=reason)
            except (ControllerError, asyncio.TimeoutError) as error:
                log.warning("the controller was not told goodbye", why=str(error))
        await self._reach.controller.close()

    async def reload(self) -> Applied:
        """Fetch the configuration and use it; raises XoraError where that fails."""
        future: asyncio.Future[Applied] = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        self._wake.set()
        return await future

    # Connecting.

    async def _keep(self) -> None:
        while True:
            self._due = await self._connect() + self._now()
            await self._wait()

    async def _connect(self) -> float:
        """Connect and use what the controller says; gives the seconds until the next time."""
        # Connecting gives the newest configuration too; where it fails, a heartbeat tells again.
        self._stale = False
        if await self._reach.renew():
            self._session = None
        try:
            answer = await self._reach.tried(self._one_connect)
        except ControllerError as error:
            await self._not_connected(error)
            wait = self._soon()
            return max(wait, error.after) if isinstance(error, Unreachable) else wait
        # Its token may have been refused meanwhile: heartbeats then wait for a new one.
        refreshing = self._session is not None
        if refreshing:
            self._ways.meters.refreshed.inc()
        self._reconnect = False
        seconds = answer.expires_in
        token = Secret(answer.access_token)
        now = self._now()
        self._session = _Session(token, now, now + seconds, answer.config_version)
        self.state, self.error, self.connected_at = State.CONNECTED, "", _time()
        log.info("connected", token=str(token), expires_in=seconds, config=answer.config_version)
        await self._use(answer)
        if not refreshing:
            self._fresh.set()
        latest = max(0.95 * seconds, _SOONEST_REFRESH)
        return self._ways.spread(0.95, 1) * min(self._ways.times.refresh, latest)

    async def _one_connect(self) -> Connection:
        try:
            answer = await self._reach.controller.connect()
        except ControllerError:
            self._ways.meters.not_connected.inc()
            raise
        self._ways.meters.connected.inc()
        return answer

    async def _not_connected(self, error: ControllerError) -> None:
        kept = self._session is not None and isinstance(error, Unreachable)
        if kept and self._session is not None and self._now() < self._session.until:
            log.warning("the token was not renewed", **told(error))
        else:
            self._lost(error)
        if not self._configured:
            log.warning("the agent works with its local files until the controller takes it")
            await self._use(None)
        self._answer_all(error)

    def _lost(self, error: ControllerError) -> None:
        """Note that there is no connection; heartbeats stop until there is one."""
        self._session, self._stale = None, False
        self._due = self._now() + self._soon()
        self._wake.set()
        self.error = str(error)
        if isinstance(error, Missing):
            self.state = State.REMOVED
            log.critical("the controller knows no such agent: heartbeats stop", **told(error))
        else:
            self.state = State.FALLBACK
            log.error("not connected", **told(error))

    # Configurations.

    async def _use(self, answer: Configuration | None) -> None:
        """Use a configuration; one that can't be used leaves what was before."""
        token = self._session.token if self._session else None
        self._configured = self._configured or answer is not None
        try:
            applied = await self._ways.apply(answer, token)
        except XoraError as error:
            self.config_error = f"{error}: {error.why}" if error.why else str(error)
            log.error("the configuration can't be used; the one before stays", **told(error))
            self._answer_all(error)
            return
        self.config_error = ""
        if answer is None:
            return
        self.config_version = answer.config_version
        if applied.changed:
            self._ways.meters.updated.inc()
            log.info("configured", config=answer.config_version, notes=list(applied.notes))
        self._answer_all(applied)

    async def _reload(self, session: _Session) -> None:
        self._stale = False  # where this fails, the next heartbeat tells of it again
        try:
            answer = await self._reach.tried(lambda: self._reach.controller.config(session.token))
        except Refused:
            self._reconnect = True  # connecting gives the configuration too
        except Missing as error:
            self._lost(error)
            self._answer_all(error)
        except ControllerError as error:
            log.warning("no configuration came", **told(error))
            self._answer_all(error)
        else:
            session.version = answer.config_version
            await self._use(answer)

    def _answer_all(self, outcome: Applied | XoraError) -> None:
        asked, self._asked = self._asked, []
        for future in asked:
            if future.done():
                continue
            if isinstance(outcome, XoraError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    async def _wait(self) -> None:
        """Wait until the next connection is due, and reload meanwhile when asked to."""
        while not self._reconnect and self._now() < self._due:
            if self._asked or self._stale:
                if self._session is None or self._reach.is_another():
                    break
                await self._reload(self._session)
                continue
            self._wake.clear()
            await _at_most(self._due - self._now(), self._wake.wait())
        self._reconnect = False

    # Heartbeats.

    async def _beat(self) -> None:
        while True:
            if self._session is None:
                await self._fresh.wait()
            self._fresh.clear()
            if self._session is not None:
                await self._one_beat(self._session)
            pause = self._interval * self._ways.spread(0.9, 1)
            await _at_most(pause, self._fresh.wait())

    async def _one_beat(self, session: _Session) -> None:
        body = dict(self._ways.beat())
        if self.config_version is not None:
            body["configVersion"] = self.config_version
        try:
            answer = await self._reach.controller.heartbeat(session.token, body)
        except ControllerError as error:
            self._ways.meters.not_beaten.inc()
            self._missed(session, error)
            return
        self._ways.meters.beaten.inc()
        self.beaten_at = _time()
        if self._session is not None:  # else it was lost while this heartbeat was under way
            self.state, self.error = State.CONNECTED, ""
        if answer.next_heartbeat is not None:
            self._interval = max(_SHORTEST_INTERVAL, answer.next_heartbeat)
        log.debug("heartbeat", next=self._interval, config=answer.config_version)
        if session is self._session and answer.config_version not in {None, session.version}:
            log.info("the controller has a newer configuration", config=answer.config_version)
            self._stale = True
            self._wake.set()

    def _missed(self, session: _Session, error: ControllerError) -> None:
        if session is not self._session:
            return  # a new token came meanwhile
        if isinstance(error, Missing):
            self._lost(error)
            return
        if isinstance(error, Refused) and self._now() - session.began > self._interval / 2:
            log.warning("the token is refused: connecting anew", **told(error))
            self._session, self.state, self.error = None, State.CONNECTING, str(error)
            self._reconnect = True
            self._wake.set()
            return
        self.state, self.error = State.UNREACHABLE, str(error)
        log.warning("a heartbeat failed; the next one tries again", **told(error))

    def _soon(self) -> float:
        """Give the seconds until a controller that did not take the agent is tried again."""
        return self._ways.times.retry * self._ways.spread(0.9, 1.1)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _at_most(seconds: float, awaited: Awaitable[object]) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await within(awaited, seconds)


def _time() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
