"""Which agents a list shows, and how many there are of each sort: for the API and the page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller.listing import Search, contains
from aiwm_controller.liveness import Liveness
from aiwm_controller.models import Agent, AgentTag, Presence
from aiwm_controller.state import State
from aiwm_controller.wire.agents import AgentStatus, AgentType

Json = dict[str, Any]


class Filters:
    """Which agents a list shows."""

    def __init__(
        self,
        search: Search = "",
        status: AgentStatus | None = None,
        type_: Annotated[AgentType | None, Query(alias="type")] = None,
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
