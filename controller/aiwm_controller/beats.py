"""Takes heartbeats: many in one transaction, each acknowledged only once that is committed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from aiwm_controller.clock import Clock
from aiwm_controller.errors import Fault, NotFound, Unauthorized, Unavailable
from aiwm_controller.logs import Meters, log

_MOST = 500
_WAITING = 20_000
_SLOW = 5.0  # seconds after which a database that fails counts as silent
_STATUS = {"online": "active", "idle": "active", "busy": "busy"}
_BROKEN = (
    *(SQLAlchemyError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError),
    *(OSError, TimeoutError),
)


class Beat(NamedTuple):
    """A heartbeat as it came; `generation` is that of the secret behind its token.

    `metrics` and `upgrade` are JSON; what is None was not said.
    """

    agent_id: str
    generation: int
    status: str
    version: str
    metrics: str | None
    config_seen: int | None
    upgrade: str | None


class Known(NamedTuple):
    """What must be known of an agent to take its heartbeat."""

    generation: int
    status: str
    config_version: int
    deleted: bool
    beats: int
    left: bool = False  # it said goodbye, and has not connected since

    def refusal(self, beat: Beat) -> Fault | None:
        """Say why this heartbeat is not taken."""
        if self.deleted:
            return NotFound("there is no such agent")
        if self.status == "suspended":
            return Unauthorized("the agent is suspended", hint="ask who runs the controller")
        if self.generation != beat.generation:
            return Unauthorized(
                "the agent's secret was exchanged", hint="connect with the new secret"
            )
        if self.left:  # one that was under way still must not show it online
            return Unauthorized("the agent said goodbye", hint="connect again")
        return None


HistoryRow = tuple[str, int, str, str, str | None]
PresenceRow = tuple[str, int, str, str | None, str | None, int | None, str | None]


@dataclass(frozen=True)
class Plan:
    """What a batch comes to: an answer to each heartbeat, and the rows to be written.

    A row of `history` is agent, slot, status, version, metrics; one of `presences` is agent,
    beats, status, version, metrics, config version, upgrade, where None leaves what there is; one
    of `statuses` is agent, status. All are in the order of agents, so that two workers never wait
    for each other.
    """

    answers: list[int | Fault]
    taken: int
    history: list[HistoryRow]
    presences: list[PresenceRow]
    statuses: list[tuple[str, str]]


class Store(Protocol):
    """Where heartbeats are kept."""

    async def write(self, batch: Sequence[Beat], now: datetime) -> Plan:
        """Write a batch in one transaction; once this returns, it outlives a power cut."""

    def close(self) -> None:
        """Let go of what is held open."""


def plan(batch: Sequence[Beat], known: Mapping[str, Known], history: int) -> Plan:
    """Judge each heartbeat, and say what is to be written; `history` slots go round."""
    answers: list[int | Fault] = []
    taken: dict[str, list[Beat]] = {}
    for beat in batch:
        agent = known.get(beat.agent_id)
        refusal = agent.refusal(beat) if agent else NotFound("there is no such agent")
        if agent is None or refusal is not None:
            answers.append(refusal or NotFound("there is no such agent"))
            continue
        answers.append(agent.config_version)
        taken.setdefault(beat.agent_id, []).append(beat)
    rows: list[HistoryRow] = []
    presences: list[PresenceRow] = []
    statuses: list[tuple[str, str]] = []
    for agent_id in sorted(taken):
        beats, agent = taken[agent_id], known[agent_id]
        first = max(0, len(beats) - history)  # those before it would be written over at once
        rows += [
            (agent_id, (agent.beats + number) % history, b.status, b.version, b.metrics)
            for number, b in enumerate(beats[first:], first)
        ]
        presences.append(_heard(agent_id, agent.beats, beats))
        status = _STATUS[beats[-1].status]
        if status != agent.status:
            statuses.append((agent_id, status))
    count = sum(map(len, taken.values()))
    return Plan(answers, count, rows, presences, statuses)


def _heard(agent_id: str, before: int, beats: Sequence[Beat]) -> PresenceRow:
    """Give what is now known of an agent: what a heartbeat leaves out stays."""
    version, metrics, seen, upgrade = None, None, None, None
    for beat in beats:
        version = beat.version or version
        metrics = metrics if beat.metrics is None else beat.metrics
        seen = seen if beat.config_seen is None else beat.config_seen
        upgrade = upgrade if beat.upgrade is None else beat.upgrade
    return agent_id, before + len(beats), beats[-1].status, version, metrics, seen, upgrade


_Waiting = tuple[Beat, "asyncio.Future[int]"]


class BeatWriter:
    """Takes heartbeats from many requests and writes them together."""

    def __init__(self, store: Store, clock: Clock, meters: Meters) -> None:
        self._store = store
        self._clock = clock
        self._meters = meters
        self._log = log.bind()  # the module's makes a new one for each line
        self._waiting: list[_Waiting] = []
        self._come = asyncio.Event()
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._ending = True
        self._come.set()
        if self._task is not None:
            await self._task
        self._store.close()

    async def record(self, beat: Beat) -> int:
        """Store a heartbeat; gives the agent's config version once it is on the disk."""
        if len(self._waiting) >= _WAITING or self._ending:
            raise Unavailable("too many heartbeats wait to be stored")
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((beat, future))
        self._come.set()
        version = await future
        self._log.debug("heartbeat", agent=beat.agent_id, status=beat.status, metrics=beat.metrics)
        return version

    async def _run(self) -> None:
        while True:
            await self._come.wait()
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            if batch:
                await self._take(batch)
            elif self._ending:
                return
            if not self._waiting and not self._ending:
                self._come.clear()

    async def _take(self, batch: Sequence[_Waiting]) -> None:
        begin = time.monotonic()
        try:
            done = await self._store.write([beat for beat, _ in batch], self._clock())
        except _BROKEN as error:
            log.error("heartbeats were not stored", count=len(batch), fault=repr(error)[:300])
            if time.monotonic() - begin > _SLOW:  # whoever waits behind would wait as long again
                batch, self._waiting = [*batch, *self._waiting], []
            _answer(batch, [Unavailable("the database does not answer")] * len(batch))
        except Exception:  # noqa: BLE001 - without a writer, no later heartbeat would be answered
            log.exception("heartbeats were not stored", count=len(batch))
            _answer(batch, [Unavailable("heartbeats can't be stored")] * len(batch))
        else:
            self._meters.heartbeats.inc(done.taken)
            self._meters.batch.observe(len(batch))
            _answer(batch, done.answers)


def _answer(batch: Sequence[_Waiting], answers: Sequence[int | Fault]) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if future.done():  # whoever asked is gone
            continue
        if isinstance(answer, Fault):
            future.set_exception(answer)
        else:
            future.set_result(answer)
