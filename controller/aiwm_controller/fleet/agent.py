"""The page of one agent, with its history."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from aiwm_controller import shapes
from aiwm_controller.access import Has, Person
from aiwm_controller.agent_rows import agent_of
from aiwm_controller.errors import NotFound
from aiwm_controller.fleet.rows import ago, row
from aiwm_controller.fleet.visitors import Seen, page
from aiwm_controller.models import Event, Heartbeat
from aiwm_controller.state import State

router = APIRouter()


@router.get("/fleet/agents/{agent_id}")
async def agent_page(request: Request, state: Has, seen: Seen, agent_id: str) -> HTMLResponse:
    """Show one agent and its history."""
    try:
        values = await _history(state, seen.person, agent_id)
    except NotFound:
        return page(request, "missing.html", 404, seen=seen)
    return page(request, "agent.html", seen=seen, **values)


@router.get("/fleet/agents/{agent_id}/live")
async def agent_live(request: Request, state: Has, seen: Seen, agent_id: str) -> HTMLResponse:
    """Give the part of an agent's page that changes."""
    return page(request, "_agent.html", **await _history(state, seen.person, agent_id))


async def _history(state: State, person: Person, agent_id: str) -> dict[str, Any]:
    now = state.clock()
    async with state.database.read() as session:
        agent, presence = await agent_of(session, person, agent_id)
        beats = await session.scalars(
            select(Heartbeat)
            .where(Heartbeat.agent_id == agent.id)
            .order_by(Heartbeat.at.desc())
            .limit(60)
        )
        events = await session.scalars(
            select(Event).where(Event.agent_id == agent.id).order_by(Event.id.desc()).limit(50)
        )
        return {
            "agent": shapes.agent(agent, presence, ""),
            "row": row(state, agent, presence, now),
            "beats": [{"row": beat, "ago": ago(beat.at, now)} for beat in beats],
            "events": [{"row": each, "ago": ago(each.at, now)} for each in events],
            "now": now,
        }
