"""The page of one agent, with its history."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from aiwm_controller import shapes
from aiwm_controller.access import Has, Person
from aiwm_controller.agent_rows import agent_of
from aiwm_controller.errors import NotFound
from aiwm_controller.fleet.rows import ago, row
from aiwm_controller.fleet.visitors import Seen, page
from aiwm_controller.history import history
from aiwm_controller.state import State

router = APIRouter()

PAGE = 50
Number = Annotated[int, Query(alias="page", ge=1, le=1_000_000)]


@router.get("/fleet/agents/{agent_id}")
async def agent_page(
    request: Request, state: Has, seen: Seen, agent_id: str, number: Number = 1
) -> HTMLResponse:
    """Show one agent and its history."""
    try:
        values = await _history(state, seen.person, agent_id, number)
    except NotFound:
        return page(request, "missing.html", 404, seen=seen)
    return page(request, "agent.html", seen=seen, **values)


@router.get("/fleet/agents/{agent_id}/live")
async def agent_live(
    request: Request, state: Has, seen: Seen, agent_id: str, number: Number = 1
) -> HTMLResponse:
    """Give the part of an agent's page that changes."""
    return page(request, "_agent.html", **await _history(state, seen.person, agent_id, number))


async def _history(state: State, person: Person, agent_id: str, number: int) -> dict[str, Any]:
    now = state.clock()
    async with state.database.read() as session:
        agent, presence = await agent_of(session, person, agent_id)
        found = await history(session, agent.id, number, PAGE)
    return {
        "agent": shapes.agent(agent, presence, ""),
        "row": row(state, agent, presence, now),
        "beats": [{"row": beat, "ago": ago(beat.at, now)} for beat in found.beats],
        "events": [{"row": each, "ago": ago(each.at, now)} for each in found.events],
        "number": number,
        "pages": max(1, -(-max(found.total_beats, found.total_events) // PAGE)),
        "now": now,
    }
