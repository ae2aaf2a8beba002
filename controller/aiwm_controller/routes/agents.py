"""Agents as people see them: create, list, read, change, delete."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller import shapes, wire
from aiwm_controller.access import AgentId, Editor, Has, Viewer, refuse_greater_role
from aiwm_controller.agent_lists import Filters, filtered, statistics
from aiwm_controller.agent_rows import (
    REFERENCES,
    add_agent,
    agent_of,
    apply,
    check_references,
    keep_type,
)
from aiwm_controller.clock import text_of
from aiwm_controller.history import history
from aiwm_controller.listing import LARGEST, Pages, count
from aiwm_controller.models import Agent, Instruction, Presence
from aiwm_controller.routes.resources import given, refuse_nulls
from aiwm_controller.state import Note, State, write_note

router = APIRouter(prefix="/agents", tags=["agents"])

Json = dict[str, Any]


def shaped(state: State, agent: Agent, presence: Presence) -> Json:
    """Give an agent as JSON, with its liveness now."""
    liveness = state.times.of(
        presence.last_heartbeat_at, presence.last_disconnected_at, state.clock()
    )
    return shapes.agent(agent, presence, liveness)


@router.post("", status_code=201)
async def create_agent(person: Editor, state: Has, body: wire.AgentIn) -> Json:
    """Create an agent. It can connect once its credentials are generated."""
    refuse_greater_role(person, body.role)
    async with state.database.write() as session:
        agent, presence = await add_agent(session, state, person, body.model_dump())
        return shaped(state, agent, presence)


SortBy = Literal["createdAt", "updatedAt", "name", "status", "lastHeartbeatAt", "lastConnectedAt"]
_SORTS: dict[str, Any] = {
    "createdAt": Agent.created_at,
    "updatedAt": Agent.updated_at,
    "name": Agent.name,
    "status": Agent.status,
    "lastHeartbeatAt": Presence.last_heartbeat_at,
    "lastConnectedAt": Presence.last_connected_at,
}


@router.get("")
async def list_agents(
    person: Viewer,
    state: Has,
    pages: Pages,
    filters: Annotated[Filters, Depends()],
    sort_by: Annotated[SortBy, Query(alias="sortBy")] = "createdAt",
    populate: Literal["", "instruction"] = "",
) -> Json:
    """List agents, with statistics of all that the organization has."""
    query = filtered(state, person.org_id, filters)
    order = getattr(_SORTS[sort_by], pages.sort)().nulls_last()
    page = query.order_by(order, Agent.id).offset(pages.offset).limit(pages.limit)
    async with state.database.read() as session:
        total = await count(session, query.with_only_columns(Agent.id))
        rows = [(agent, presence) for agent, presence in await session.execute(page)]
        data = [shaped(state, agent, presence) for agent, presence in rows]
        if populate:
            await _populate(session, person.org_id, data)
        counts = await statistics(session, state, person.org_id)
    return {**shapes.page(data, total, pages.page, pages.limit), "statistics": counts}


async def _populate(session: AsyncSession, org_id: str, data: list[Json]) -> None:
    ids = {each["instructionId"] for each in data} - {None}
    query = select(Instruction).where(
        Instruction.id.in_(ids), Instruction.org_id == org_id, Instruction.deleted_at.is_(None)
    )
    found = {row.id: shapes.instruction(row) for row in await session.scalars(query)}
    for each in data:
        each["instruction"] = found.get(each["instructionId"])


@router.get("/statistics")
async def agent_statistics(person: Viewer, state: Has) -> Json:
    """Count agents by status, type and liveness."""
    async with state.database.read() as session:
        return await statistics(session, state, person.org_id)


@router.get("/{id}")
async def read_agent(
    person: Viewer, state: Has, agent_id: AgentId, populate: Literal["", "instruction"] = ""
) -> Json:
    """Give one agent."""
    async with state.database.read() as session:
        agent, presence = await agent_of(session, person, agent_id)
        data = shaped(state, agent, presence)
        if populate:
            await _populate(session, person.org_id, [data])
    return data


@router.put("/{id}")
@router.patch("/{id}")
async def change_agent(
    person: Editor, state: Has, agent_id: AgentId, body: wire.AgentChanges
) -> Json:
    """Change what the request names. Agents hear of it by a new config version."""
    fields = given(body)
    refuse_nulls(fields, *REFERENCES)
    async with state.database.write() as session:
        agent, presence = await agent_of(session, person, agent_id, lock=True)
        keep_type(agent, fields.pop("type", agent.type))
        if fields.get("role", agent.role) != agent.role:
            refuse_greater_role(person, fields["role"])
        was_suspended = agent.status == "suspended"
        await check_references(session, person.org_id, fields)
        await apply(session, agent, fields)
        agent.updated_at, agent.updated_by = state.clock(), person.id
        if (agent.status == "suspended") != was_suspended:
            kind = "agent.resumed" if was_suspended else "agent.suspended"
            write_note(session, state.clock, Note(kind, person.org_id, person.email, agent.id))
        await session.flush()
        return shaped(state, agent, presence)


@router.delete("/{id}")
async def delete_agent(person: Editor, state: Has, agent_id: AgentId) -> Json:
    """Delete an agent softly: its credentials and tokens stop to work at once."""
    async with state.database.write() as session:
        agent, _ = await agent_of(session, person, agent_id, lock=True)
        agent.deleted_at, agent.updated_by = state.clock(), person.id
        agent.secret_hash = None
        agent.secret_generation += 1
        kind = "agent.deleted"
        write_note(session, state.clock, Note(kind, person.org_id, person.email, agent.id))
    return {"message": "Agent deleted successfully"}


@router.get("/{id}/history")
async def agent_history(
    person: Viewer,
    state: Has,
    agent_id: AgentId,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 100,
) -> Json:
    """Give an agent's heartbeats and events, newest first, each by pages of the same length."""
    async with state.database.read() as session:
        agent, _ = await agent_of(session, person, agent_id)
        found = await history(session, agent.id, page, limit)
    return {
        "heartbeats": [
            {
                "at": text_of(each.at),
                "status": each.status,
                "version": each.version,
                "metrics": each.metrics,
            }
            for each in found.beats
        ],
        "events": [shapes.event(each) for each in found.events],
        "pagination": {
            "page": page,
            "limit": limit,
            "totalHeartbeats": found.total_beats,
            "totalEvents": found.total_events,
        },
    }
