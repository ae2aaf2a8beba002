"""Stores heartbeats: many in one transaction, each acknowledged only once that is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller.clock import Clock
from aiwm_controller.database import Database
from aiwm_controller.errors import Fault, NotFound, Unauthorized, Unavailable
from aiwm_controller.logs import Meters, log
from aiwm_controller.models import Agent, Heartbeat, Presence

_MOST = 500
_WAITING = 20_000
_AGENTS, _PRESENCES, _HEARTBEATS = (
    cast(Table, model.__table__) for model in (Agent, Presence, Heartbeat)
)
_STATUS = {"online": "active", "idle": "active", "busy": "busy"}


@dataclass(frozen=True)
class Beat:
    """A heartbeat as it came; `generation` is that of the secret behind its token."""

    agent_id: str
    generation: int
    status: str
    version: str
    metrics: dict[str, Any] | None
    config_seen: int | None
    upgrade: dict[str, Any] | None


@dataclass(frozen=True)
class _Known:
    """What must be known of an agent to take its heartbeat."""

    generation: int
    status: str
    config_version: int
    beats: int
    deleted: bool

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
        return None


_Waiting = tuple[Beat, "asyncio.Future[int]"]


class BeatWriter:
    """Takes heartbeats from many requests and writes them together."""

    def __init__(self, database: Database, clock: Clock, meters: Meters, history: int) -> None:
        self._database = database
        self._clock = clock
        self._meters = meters
        self._history = history
        self._waiting: list[_Waiting] = []
        self._come = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, then end."""
        if self._task is not None:
            while self._waiting:
                await asyncio.sleep(0.01)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def record(self, beat: Beat) -> int:
        """Store a heartbeat; gives the agent's config version once it is on the disk."""
        if len(self._waiting) >= _WAITING:
            raise Unavailable("too many heartbeats wait to be stored")
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((beat, future))
        self._come.set()
        version = await future
        log.debug("heartbeat", agent=beat.agent_id, status=beat.status, metrics=beat.metrics)
        return version

    async def _run(self) -> None:
        while True:
            await self._come.wait()
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            if not self._waiting:
                self._come.clear()
            try:
                answers = await self._write([beat for beat, _ in batch])
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.error("heartbeats were not stored", count=len(batch), fault=repr(error)[:300])
                answers = [Unavailable("the database does not answer")] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():  # whoever asked is gone
                    continue
                if isinstance(answer, Fault):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _write(self, batch: Sequence[Beat]) -> list[int | Fault]:
        async with self._database.write() as session:
            known = await _known(session, {beat.agent_id for beat in batch})
            answers, taken = _judged(batch, known)
            if taken:
                await self._store(session, taken, known)
        self._meters.heartbeats.inc(len(taken))
        self._meters.batch.observe(len(batch))
        return answers

    async def _store(
        self, session: AsyncSession, taken: Sequence[Beat], known: dict[str, _Known]
    ) -> None:
        now = self._clock()
        numbers = {agent_id: each.beats for agent_id, each in known.items()}
        history: dict[tuple[str, int], dict[str, Any]] = {}
        for beat in taken:
            slot = numbers[beat.agent_id] % self._history
            numbers[beat.agent_id] += 1
            history[beat.agent_id, slot] = _row(beat, slot, now)
        last = {beat.agent_id: beat for beat in taken}
        connection = await session.connection()
        await connection.execute(
            _upsert(self._database.is_sqlite), sorted(history.values(), key=_place)
        )
        for fields, rows in _presences(last, numbers, now).items():
            await connection.execute(_heard(fields), rows)
        changed = [
            {"b_id": agent_id, "b_status": _STATUS[beat.status]}
            for agent_id, beat in sorted(last.items())
            if known[agent_id].status != _STATUS[beat.status]
        ]
        if changed:
            await connection.execute(_CHANGED, changed)


async def _known(session: AsyncSession, ids: set[str]) -> dict[str, _Known]:
    query = (
        select(
            Agent.id,
            Agent.secret_generation,
            Agent.status,
            Agent.config_version,
            Agent.deleted_at,
            Presence.beats,
        )
        .join(Presence, Presence.agent_id == Agent.id)
        .where(Agent.id.in_(sorted(ids)))
        .order_by(Agent.id)
    )
    if session.get_bind().dialect.name == "postgresql":
        # Another worker may hold heartbeats of the same agent: it would count the same slot.
        query = query.with_for_update(of=Presence)
    return {
        row.id: _Known(
            row.secret_generation,
            row.status,
            row.config_version,
            row.beats,
            row.deleted_at is not None,
        )
        for row in await (await session.connection()).execute(query)
    }


def _judged(
    batch: Sequence[Beat], known: dict[str, _Known]
) -> tuple[list[int | Fault], list[Beat]]:
    answers: list[int | Fault] = []
    taken = []
    for beat in batch:
        agent = known.get(beat.agent_id)
        refusal = agent.refusal(beat) if agent else NotFound("there is no such agent")
        if agent is None or refusal is not None:
            answers.append(refusal or NotFound("there is no such agent"))
            continue
        answers.append(agent.config_version)
        taken.append(beat)
    return answers, taken


def _row(beat: Beat, slot: int, now: datetime) -> dict[str, Any]:
    return {
        "agent_id": beat.agent_id,
        "slot": slot,
        "at": now,
        "status": beat.status,
        "version": beat.version,
        "metrics": beat.metrics,
    }


def _place(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["agent_id"], row["slot"]


def _presences(
    last: dict[str, Beat], numbers: dict[str, int], now: datetime
) -> dict[frozenset[str], list[dict[str, Any]]]:
    """Give rows by the optional fields that they have: what a heartbeat leaves out stays."""
    groups: dict[frozenset[str], list[dict[str, Any]]] = {}
    for agent_id, beat in sorted(last.items()):
        optional = {
            "version": beat.version or None,
            "metrics": beat.metrics,
            "config_seen": beat.config_seen,
            "upgrade": beat.upgrade,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        row = {"b_id": agent_id, "b_at": now, "b_beats": numbers[agent_id], "b_said": beat.status}
        row |= {f"b_{name}": value for name, value in given.items()}
        groups.setdefault(frozenset(given), []).append(row)
    return groups


@cache
def _heard(fields: frozenset[str]) -> Any:
    table = _PRESENCES
    values: dict[str, Any] = {
        "last_heartbeat_at": bindparam("b_at"),
        "beats": bindparam("b_beats"),
        "reported": bindparam("b_said"),
    }
    values |= {name: bindparam(f"b_{name}") for name in sorted(fields)}
    return update(table).where(table.c.agent_id == bindparam("b_id")).values(values)


@cache
def _upsert(is_sqlite: bool) -> Any:
    insert = sqlite.insert if is_sqlite else postgresql.insert
    statement = insert(_HEARTBEATS)
    names = ("at", "status", "version", "metrics")
    return statement.on_conflict_do_update(
        index_elements=["agent_id", "slot"],
        set_={name: statement.excluded[name] for name in names},
    )


_CHANGED = (
    update(_AGENTS)
    .where(_AGENTS.c.id == bindparam("b_id"), _AGENTS.c.status != "suspended")
    .values(status=bindparam("b_status"))
)
