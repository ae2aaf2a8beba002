"""Rows of agents: found in an organization, added and changed with all that goes with them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from aiwm_controller import agent_settings
from aiwm_controller.access import Person
from aiwm_controller.errors import BadRequest, NotFound, Unauthorized
from aiwm_controller.models import Agent, AgentTag, Deployment, Instruction, Node, Presence, Tool
from aiwm_controller.state import State
from aiwm_controller.tokens import Bearer

Json = dict[str, Any]
REFERENCES = {"instruction_id": Instruction, "deployment_id": Deployment, "node_id": Node}
_CONFIGURED = {
    "name",
    "role",
    "instruction_id",
    "deployment_id",
    "allowed_tool_ids",
    "settings",
}


async def agent_of(
    session: AsyncSession, person: Person, agent_id: str, *, lock: bool = False
) -> tuple[Agent, Presence]:
    """Give an agent of the person's organization; raises NotFound.

    Whoever changes it must `lock` it: of two changes that read the same version, agents would
    never hear of the second.
    """
    query = (
        select(Agent, Presence)
        .join(Presence, Presence.agent_id == Agent.id)
        .where(Agent.id == agent_id, Agent.org_id == person.org_id, Agent.deleted_at.is_(None))
    )
    query = query.with_for_update(of=Agent) if lock else query
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise NotFound("there is no such agent")
    return found[0], found[1]


async def live_agent(session: AsyncSession, agent_id: str) -> Agent:
    """Give an agent with its secret's hash; raises NotFound, and Unauthorized where suspended."""
    agent = await session.scalar(
        select(Agent)
        .where(Agent.id == agent_id, Agent.deleted_at.is_(None))
        .options(undefer(Agent.secret_hash))
    )
    if agent is None:
        raise NotFound("there is no such agent", hint="check AIWM_AGENT_ID")
    if agent.status == "suspended":
        raise Unauthorized("the agent is suspended", hint="ask who runs the controller")
    return agent


async def still(session: AsyncSession, bearer: Bearer) -> Agent:
    """Give the agent of a token that still holds."""
    agent = await live_agent(session, bearer.id)
    if agent.secret_generation != bearer.generation:
        raise Unauthorized("the agent's secret was exchanged", hint="connect with the new secret")
    return agent


async def check_references(session: AsyncSession, org_id: str, fields: Json) -> None:
    """Raise BadRequest where an agent would refer to what its organization does not have."""
    for name, model in REFERENCES.items():
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
    fields["settings"] = agent_settings.flat(fields["settings"])
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


def keep_type(agent: Agent, wanted: str) -> None:
    """Raise BadRequest where an agent would become one of another type."""
    if wanted != agent.type:
        raise BadRequest(
            f"Cannot change agent type from '{agent.type}' to '{wanted}'. "
            "Please delete and recreate the agent with the desired type."
        )


async def apply(session: AsyncSession, agent: Agent, fields: Json) -> None:
    """Change columns of an agent, and its config version where the agent has to hear of it."""
    if "settings" in fields:
        fields["settings"] = agent_settings.unredacted(
            agent_settings.flat(fields["settings"]), agent.settings
        )
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
