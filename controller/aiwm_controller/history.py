"""What was heard of one agent, by pages: its last heartbeats, and what happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller.listing import count
from aiwm_controller.models import Event, Heartbeat


@dataclass(frozen=True)
class History:
    """One page of both, newest first, and how many there are of each."""

    beats: Sequence[Heartbeat]
    events: Sequence[Event]
    total_beats: int
    total_events: int


async def history(session: AsyncSession, agent_id: str, page: int, limit: int) -> History:
    """Read a page of an agent's history; its organization is the caller's to look at."""
    beats = select(Heartbeat).where(Heartbeat.agent_id == agent_id)
    events = select(Event).where(Event.agent_id == agent_id)
    skipped = (page - 1) * limit
    newest = beats.order_by(Heartbeat.at.desc(), Heartbeat.slot.desc())
    latest = events.order_by(Event.id.desc())
    return History(
        beats=list(await session.scalars(newest.offset(skipped).limit(limit))),
        events=list(await session.scalars(latest.offset(skipped).limit(limit))),
        total_beats=await count(session, beats),
        total_events=await count(session, events),
    )
