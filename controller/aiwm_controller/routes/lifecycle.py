"""What agents call: connect, heartbeat, disconnect, config; and what agentctl asks of them."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller import agent_settings, configured, wire
from aiwm_controller.access import AgentId, CallingAgent, Credentials, Has, person_of, token_of
from aiwm_controller.agent_rows import agent_of, live_agent, still
from aiwm_controller.clock import text_of
from aiwm_controller.configured import Answering
from aiwm_controller.errors import Fault, NotFound, Unauthorized
from aiwm_controller.express import beat_of
from aiwm_controller.limits import caller
from aiwm_controller.models import Agent, Heartbeat, Presence
from aiwm_controller.state import Note, State, address_of, base_of, state_of, write_note
from aiwm_controller.tokens import Bearer

router = APIRouter(prefix="/agents", tags=["agent lifecycle"])

Json = dict[str, Any]
Shape = Annotated[Literal["current", "legacy"], Query(description="legacy: the guide's own body")]


def answering(request: Request) -> Answering:
    """Give the addresses that agents are told, and the names of settings."""
    settings = state_of(request).settings
    return Answering(base_of(request), settings.mcp_name, settings.mcp_url, settings.settings_names)


def bearer_of(agent: Agent) -> Bearer:
    """Give what an agent's token says."""
    return Bearer(
        kind="agent",
        id=agent.id,
        org_id=agent.org_id,
        roles=(agent.role,),
        generation=agent.secret_generation,
        username=f"agent:{agent.id}",
        status=agent.status,
        group_id=agent.group_id,
    )


@router.post("/{id}/connect")
async def connect(
    request: Request, state: Has, agent_id: AgentId, body: wire.Connect, shape: Shape = "current"
) -> Json:
    """Give an agent that knows its secret a token and its whole configuration."""
    address = address_of(request)
    state.connects.take(f"{agent_id} {caller(address)}", "connections of this agent")
    state.refusals.check(f"{agent_id} {caller(address)}", "refused secrets")
    try:
        agent = await _checked(state, agent_id, body.secret)
    except Fault as fault:
        await _refused(state, agent_id, address, fault)
        raise
    async with state.database.write() as session:
        await _connected(session, state, agent, address)
        found = await configured.load(session, agent)
    state.meters.connects.labels("accepted").inc()
    seconds = state.settings.token_seconds
    token = state.tokens.issue(bearer_of(agent), now=state.clock(), seconds=seconds)
    if shape == "legacy":
        return configured.legacy(found, token)
    return configured.current(found, answering(request), token, seconds, token)


async def _checked(state: State, agent_id: str, secret: str) -> Agent:
    async with state.database.read() as session:
        agent = await live_agent(session, agent_id)
    if agent.secret_hash is None:
        raise Unauthorized("the agent has no secret configured", hint="generate credentials")
    if not await state.hasher.matches(secret, agent.secret_hash):
        raise Unauthorized("the secret is not the agent's", hint="check AIWM_AGENT_SECRET")
    return agent


async def _refused(state: State, agent_id: str, address: str, fault: Fault) -> None:
    state.meters.connects.labels("refused").inc()
    if not isinstance(fault, Unauthorized):
        return
    state.refusals.take(f"{agent_id} {caller(address)}", "refused secrets")
    async with state.database.write() as session:
        await session.execute(
            update(Presence)
            .where(Presence.agent_id == agent_id)
            .values(failed_connects=Presence.failed_connects + 1)
            .execution_options(synchronize_session=False)
        )
        org_id = await session.scalar(select(Agent.org_id).where(Agent.id == agent_id))
        why: dict[str, object] = {"why": fault.message}
        note = Note("connect.refused", org_id or "", "", agent_id, address, why)
        write_note(session, state.clock, note)


async def _connected(session: AsyncSession, state: State, agent: Agent, address: str) -> None:
    """Note a connection, unless the agent was suspended or its secret exchanged meanwhile."""
    # The presence first, as heartbeats do it: who locks two rows in another order can deadlock.
    await session.execute(
        update(Presence)
        .where(Presence.agent_id == agent.id)
        .values(
            last_connected_at=state.clock(),
            connection_count=Presence.connection_count + 1,
            failed_connects=0,  # since the last connection
        )
        .execution_options(synchronize_session=False)
    )
    taken = await session.execute(
        update(Agent)
        .where(
            Agent.id == agent.id,
            Agent.deleted_at.is_(None),
            Agent.status != "suspended",
            Agent.secret_generation == agent.secret_generation,
        )
        .values(status="active")
        .returning(Agent.id)
        .execution_options(synchronize_session=False)
    )
    if taken.one_or_none() is None:
        raise Unauthorized("the agent was suspended, or its secret exchanged, just now")
    agent.status = "active"
    note = Note("agent.connected", agent.org_id, f"agent:{agent.id}", agent.id, address)
    write_note(session, state.clock, note)


@router.post("/{id}/heartbeat")
async def heartbeat(
    request: Request, state: Has, bearer: CallingAgent, body: wire.HeartbeatIn
) -> Json:
    """Take a sign of life; answered once it is stored."""
    fault: Fault | None = getattr(request.state, "fault", None)
    if fault is not None:  # the short way has tried, and nobody waits for a database twice
        raise fault
    version = await state.beats.record(beat_of(bearer.id, bearer.generation, body))
    return {
        "success": True,
        "acknowledged": True,
        "nextHeartbeat": state.pace.next(),
        "configVersion": version,
    }


@router.post("/{id}/disconnect")
async def disconnect(
    request: Request,
    state: Has,
    agent_id: AgentId,
    bearer: CallingAgent,
    body: wire.Disconnect | None = None,
) -> Json:
    """Note that an agent goes, and why."""
    reason = body.reason if body else ""
    async with state.database.write() as session:
        agent = await still(session, bearer)
        await session.execute(
            update(Presence)
            .where(Presence.agent_id == agent_id)
            .values(
                last_connected_at=None,
                last_disconnected_at=state.clock(),
                last_disconnect_reason=reason,
            )
            .execution_options(synchronize_session=False)
        )
        # Not by what was read above: somebody may have suspended the agent since then.
        await session.execute(
            update(Agent)
            .where(Agent.id == agent_id, Agent.status != "suspended")
            .values(status="inactive")
            .execution_options(synchronize_session=False)
        )
        detail: dict[str, object] = {"reason": reason}
        actor = f"agent:{agent_id}"
        note = Note(
            "agent.disconnected", agent.org_id, actor, agent_id, address_of(request), detail
        )
        write_note(session, state.clock, note)
    return {"success": True, "acknowledged": True}


@router.get("/{id}/config")
async def config(
    request: Request,
    state: Has,
    agent_id: AgentId,
    credentials: Credentials,
    shape: Shape = "current",
) -> Json:
    """Give the newest configuration without a new token, to the agent or to its organization."""
    token = token_of(credentials)
    bearer = state.tokens.verify(token, "agent", "user")
    async with state.database.read() as session:
        agent = await _agent_for(session, state, bearer, agent_id)
        found = await configured.load(session, agent)
    if bearer.kind == "user":
        found.agent.settings = agent_settings.redacted(found.agent.settings)
    if shape == "legacy":
        return configured.legacy(found, "")
    shown = token if bearer.kind == "agent" else "<the agent's token>"
    return configured.current(found, answering(request), "", 0, shown)


async def _agent_for(session: AsyncSession, state: State, bearer: Bearer, agent_id: str) -> Agent:
    if bearer.kind == "agent":
        if bearer.id != agent_id:
            raise NotFound("there is no such agent")
        return await still(session, bearer)
    agent, _ = await agent_of(session, await person_of(state, bearer), agent_id)
    session.expunge(agent)
    return agent


@router.get("/{id}/heartbeats")
async def heartbeats(
    request: Request, state: Has, agent_id: AgentId, credentials: Credentials, response: Response
) -> Json:
    """Give which heartbeats came of which version: agentctl asks this of a version on trial.

    The bearer is the agent's token, a user's token or, since agentctl knows no other, the
    agent's secret.
    """
    await _may_ask(state, agent_id, token_of(credentials), address_of(request))
    response.headers["Cache-Control"] = "no-store"
    query = (
        select(Heartbeat.version, Heartbeat.at)
        .where(Heartbeat.agent_id == agent_id)
        .order_by(Heartbeat.at.desc())
    )
    async with state.database.read() as session:
        beats = await session.execute(query)
        return {"heartbeats": [{"version": row.version, "at": text_of(row.at)} for row in beats]}


async def _may_ask(state: State, agent_id: str, token: str, address: str) -> None:
    if token.count(".") == 2:
        bearer = state.tokens.verify(token, "agent", "user")
        async with state.database.read() as session:
            await _agent_for(session, state, bearer, agent_id)
        return
    async with state.database.read() as session:
        agent = await live_agent(session, agent_id)
    # bcrypt takes long on purpose, and agentctl asks every few seconds.
    key = (agent_id, agent.secret_hash or "", hashlib.sha256(token.encode()).digest())
    if key in state.asked:
        return
    # A stranger must not lock the agent's host out.
    asking = f"{agent_id} {caller(address)} heartbeats"
    state.refusals.check(asking, "refused secrets")
    if not await state.hasher.matches(token, agent.secret_hash):
        state.refusals.take(asking, "refused secrets")
        raise Unauthorized("the secret is not the agent's", hint="check AIWM_AGENT_SECRET")
    if len(state.asked) > 10_000:
        state.asked.clear()
    state.asked.add(key)
