"""Agents as people see them: create, list, read, change, delete."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller import shapes, wire
from aiwm_controller.access import AgentId, Editor, Has, Person, Viewer
from aiwm_controller.clock import text_of
from aiwm_controller.errors import BadRequest, NotFound
from aiwm_controller.listing import Pages, Search, contains, count
from aiwm_controller.liveness import Liveness
from aiwm_controller.models import (
    Agent,
    AgentTag,
    Deployment,
    Event,
    Heartbeat,
    Instruction,
    Node,
    Presence,
    Tool,
)
from aiwm_controller.routes.resources import given, refuse_nulls
from aiwm_controller.state import Note, State, write_note

router = APIRouter(prefix="/agents", tags=["agents"])

Json = dict[str, Any]
_REFERENCES = {"instruction_id": Instruction, "deployment_id": Deployment, "node_id": Node}
_CONFIGURED = {
    "name",
    "role",
    "instruction_id",
    "deployment_id",
    "allowed_tool_ids",
    "settings",
}


async def agent_of(session: AsyncSession, person: Person, agent_id: str) -> tuple[Agent, Presence]:
    """Give an agent of the person's organization; raises NotFound."""
    query = (
        select(Agent, Presence)
        .join(Presence, Presence.agent_id == Agent.id)
        .where(Agent.id == agent_id, Agent.org_id == person.org_id, Agent.deleted_at.is_(None))
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise NotFound("there is no such agent")
    return found[0], found[1]


def shaped(state: State, agent: Agent, presence: Presence) -> Json:
    """Give an agent as JSON, with its liveness now."""
    liveness = state.times.of(
        presence.last_heartbeat_at, presence.last_disconnected_at, state.clock()
    )
    return shapes.agent(agent, presence, liveness)


async def check_references(session: AsyncSession, org_id: str, fields: Json) -> None:
    """Raise BadRequest where an agent would refer to what its organization does not have."""
    for name, model in _REFERENCES.items():
        wanted = fields.get(name)
        if wanted is not None and wanted not in await _existing(session, model, org_id, [wanted]):
            raise BadRequest(f"{name.removesuffix('_id')} {wanted} does not exist")
    tools = fields.get("allowed_tool_ids") or []
    missing = set(tools) - await _existing(session, Tool, org_id, tools)
    if missing:
        raise BadRequest(f"tools that do not exist: {', '.join(sorted(missing))}")


async def _existing(session: AsyncSession, model: Any, org_id: str, ids: list[str]) -> set[str]:
    if not ids:
        return set()
    query = select(model.id).where(
        model.id.in_(ids), model.org_id == org_id, model.deleted_at.is_(None)
    )
    return set(await session.scalars(query))


async def add_agent(
    session: AsyncSession, state: State, person: Person, fields: Json
) -> tuple[Agent, Presence]:
    """Add an agent that has the given columns, in the person's organization."""
    await check_references(session, person.org_id, fields)
    fields = dict(fields)
    fields["details"] = fields.pop("metadata", {})
    fields["settings"] = shapes.flat(fields["settings"])
    now = state.clock()
    agent = Agent(
        **fields,
        org_id=person.org_id,
        created_at=now,
        updated_at=now,
        created_by=person.id,
        updated_by=person.id,
    )
    session.add(agent)
    await session.flush()
    presence = Presence(agent_id=agent.id)
    session.add(presence)
    session.add_all(AgentTag(agent_id=agent.id, tag=tag) for tag in agent.tags)
    await session.flush()
    return agent, presence


@router.post("", status_code=201)
async def create_agent(person: Editor, state: Has, body: wire.AgentIn) -> Json:
    """Create an agent. It can connect once its credentials are generated."""
    async with state.database.write() as session:
        agent, presence = await add_agent(session, state, person, body.model_dump())
        return shaped(state, agent, presence)


class Filters:
    """Which agents a list shows."""

    def __init__(
        self,
        search: Search = "",
        status: wire.AgentStatus | None = None,
        type_: Annotated[wire.AgentType | None, Query(alias="type")] = None,
        liveness: Liveness | None = None,
        tag: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006 - FastAPI copies it
        version: Annotated[str, Query(max_length=100)] = "",
        instruction_id: Annotated[str, Query(alias="instructionId", max_length=64)] = "",
        node_id: Annotated[str, Query(alias="nodeId", max_length=64)] = "",
    ) -> None:
        self.search, self.status, self.type, self.liveness = search, status, type_, liveness
        self.tag, self.version = tag, version
        self.instruction_id, self.node_id = instruction_id, node_id


def filtered(state: State, org_id: str, filters: Filters) -> Select[Agent, Presence]:
    """Query the agents of an organization that fit the filters."""
    query = (
        select(Agent, Presence)
        .join(Presence, Presence.agent_id == Agent.id)
        .where(Agent.org_id == org_id, Agent.deleted_at.is_(None))
    )
    exact = {
        Agent.status: filters.status,
        Agent.type: filters.type,
        Presence.version: filters.version,
        Agent.instruction_id: filters.instruction_id,
        Agent.node_id: filters.node_id,
    }
    for column, value in exact.items():
        if value:
            query = query.where(column == value)
    if filters.liveness:
        query = query.where(state.times.column(state.clock()) == filters.liveness)
    for tag in filters.tag:
        query = query.where(Agent.id.in_(select(AgentTag.agent_id).where(AgentTag.tag == tag)))
    if filters.search:
        found = contains(filters.search, Agent.name, Agent.description, Agent.host, Agent.id)
        query = query.where(found)
    return query


async def statistics(session: AsyncSession, state: State, org_id: str) -> Json:
    """Count an organization's agents by status, type and liveness."""
    liveness = state.times.column(state.clock())
    query = (
        select(Agent.status, Agent.type, liveness, func.count())
        .join(Presence, Presence.agent_id == Agent.id)
        .where(Agent.org_id == org_id, Agent.deleted_at.is_(None))
        .group_by(Agent.status, Agent.type, liveness)
    )
    counts: Json = {"total": 0, "byStatus": {}, "byType": {}, "byLiveness": {}}
    for status, kind, alive, number in await session.execute(query):
        counts["total"] += number
        for name, key in (("byStatus", status), ("byType", kind), ("byLiveness", alive)):
            counts[name][key] = counts[name].get(key, 0) + number
    return counts


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
    refuse_nulls(fields, *_REFERENCES)
    async with state.database.write() as session:
        agent, presence = await agent_of(session, person, agent_id)
        _keep_type(agent, fields.pop("type", agent.type))
        await check_references(session, person.org_id, fields)
        await _apply(session, agent, fields)
        agent.updated_at, agent.updated_by = state.clock(), person.id
        if fields.get("status") == "suspended":
            kind = "agent.suspended"
            write_note(session, state.clock, Note(kind, person.org_id, person.email, agent.id))
        await session.flush()
        return shaped(state, agent, presence)


def _keep_type(agent: Agent, wanted: str) -> None:
    if wanted != agent.type:
        raise BadRequest(
            f"Cannot change agent type from '{agent.type}' to '{wanted}'. "
            "Please delete and recreate the agent with the desired type."
        )


async def _apply(session: AsyncSession, agent: Agent, fields: Json) -> None:
    if "settings" in fields:
        fields["settings"] = shapes.unredacted(shapes.flat(fields["settings"]), agent.settings)
    if "metadata" in fields:
        details = fields.pop("metadata")
        fields["details"] = {key: each for key, each in details.items() if key != "lastMetrics"}
    if any(getattr(agent, name) != fields[name] for name in _CONFIGURED & fields.keys()):
        agent.config_version += 1
    for name, value in fields.items():
        setattr(agent, name, value)
    if "tags" in fields:
        await session.execute(delete(AgentTag).where(AgentTag.agent_id == agent.id))
        session.add_all(AgentTag(agent_id=agent.id, tag=tag) for tag in agent.tags)


@router.delete("/{id}")
async def delete_agent(person: Editor, state: Has, agent_id: AgentId) -> Json:
    """Delete an agent softly: its credentials and tokens stop to work at once."""
    async with state.database.write() as session:
        agent, _ = await agent_of(session, person, agent_id)
        agent.deleted_at, agent.updated_by = state.clock(), person.id
        agent.secret_hash = None
        agent.secret_generation += 1
        kind = "agent.deleted"
        write_note(session, state.clock, Note(kind, person.org_id, person.email, agent.id))
    return {"message": "Agent deleted successfully"}


@router.get("/{id}/history")
async def agent_history(person: Viewer, state: Has, agent_id: AgentId) -> Json:
    """Give an agent's last heartbeats and events, newest first."""
    async with state.database.read() as session:
        agent, _ = await agent_of(session, person, agent_id)
        beats = await session.scalars(
            select(Heartbeat).where(Heartbeat.agent_id == agent.id).order_by(Heartbeat.at.desc())
        )
        events = await session.scalars(
            select(Event).where(Event.agent_id == agent.id).order_by(Event.id.desc()).limit(100)
        )
        return {
            "heartbeats": [
                {
                    "at": text_of(each.at),
                    "status": each.status,
                    "version": each.version,
                    "metrics": each.metrics,
                }
                for each in beats
            ],
            "events": [shapes.event(each) for each in events],
        }
