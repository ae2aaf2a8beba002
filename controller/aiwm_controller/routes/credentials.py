"""Credentials: a new secret with its .env snippet and install script, and the script alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller import configurations, install
from aiwm_controller.access import AgentId, Editor, Has, Person, refuse_greater_role
from aiwm_controller.agent_rows import agent_of
from aiwm_controller.errors import BadRequest, Conflict, NotFound, Unauthorized
from aiwm_controller.install import Order
from aiwm_controller.limits import caller
from aiwm_controller.models import Agent, InstallToken
from aiwm_controller.sealing import seal, unseal
from aiwm_controller.state import Note, State, address_of, base_of, state_of, write_note
from aiwm_controller.tokens import fingerprint, new_secret, new_token

router = APIRouter(prefix="/agents", tags=["credentials"])

Json = dict[str, Any]
SHELL = "text/x-shellscript"


@dataclass(frozen=True)
class Issued:
    """A new secret, ready to be handed out once."""

    order: Order
    token: str


@dataclass(frozen=True)
class Fresh:
    """A new secret that is nobody's yet, and its hash."""

    secret: str = field(repr=False)
    hashed: str = field(repr=False)


async def fresh(state: State) -> Fresh:
    """Make a secret, outside of any transaction: bcrypt takes long, and SQLite has one writer."""
    secret = new_secret()
    return Fresh(secret, await state.hasher.hash(secret))


async def issue(
    session: AsyncSession, request: Request, agent: Agent, made: Fresh, note: Note
) -> Issued:
    """Give `agent` a new secret, which ends the old one and all tokens got by it."""
    state = state_of(request)
    agent.secret_hash = made.hashed
    agent.secret_generation += 1
    token = new_token("install")
    await session.execute(delete(InstallToken).where(InstallToken.agent_id == agent.id))
    session.add(
        InstallToken(
            token_hash=fingerprint(token),
            agent_id=agent.id,
            sealed=seal(made.secret, token),
            expires_at=state.clock() + timedelta(seconds=state.settings.download_seconds),
        )
    )
    write_note(session, state.clock, note)
    return Issued(replace(await order_of(session, request, agent), secret=made.secret), token)


async def order_of(session: AsyncSession, request: Request, agent: Agent) -> Order:
    """Say which script an agent gets, without a secret."""
    store = await configurations.value_of(session, agent.org_id, configurations.DOWNLOAD)
    channel = await configurations.value_of(session, agent.org_id, configurations.CHANNEL)
    return Order(
        release=agent.release,
        store=store,
        channel=channel,
        base_url=base_of(request),
        agent_id=agent.id,
        agent_name=agent.name,
        generated=state_of(request).clock(),
    )


async def handed_out(state: State, issued: Issued, agent: Agent) -> Json:
    """Give what the documents answer; where no script can be made, one that says why."""
    order = issued.order
    try:
        script = await state.installer.script(order)
    except Conflict as fault:
        script = install.no_script(fault.message, fault.hint)
    address = f"{order.base_url}/agents/{agent.id}/install-script?token={issued.token}"
    return {
        "agentId": agent.id,
        "secret": order.secret,
        "envConfig": install.env_config(order, agent.settings),
        "installScript": script,
        "installToken": issued.token,
        "installScriptUrl": address,
        "installTokenExpiresIn": state.settings.download_seconds,
    }


@router.post("/{id}/regenerate-credentials")
@router.post("/{id}/credentials/regenerate")
async def regenerate(person: Editor, request: Request, state: Has, agent_id: AgentId) -> Json:
    """Give an agent a new secret, shown this once; the old one stops to work at once."""
    async with state.database.read() as session:
        await _changeable(session, person, agent_id, lock=False)
    made = await fresh(state)
    async with state.database.write() as session:
        agent = await _changeable(session, person, agent_id, lock=True)
        issued = await issue(session, request, agent, made, _note(person, request, agent))
    return await handed_out(state, issued, agent)


async def _changeable(session: AsyncSession, person: Person, agent_id: str, *, lock: bool) -> Agent:
    """Give an agent that the person may give a new secret."""
    agent, _ = await agent_of(session, person, agent_id, lock=lock)
    refuse_greater_role(person, agent.role)
    if agent.type != "autonomous":
        raise BadRequest("Only autonomous agents have credentials to regenerate")
    return agent


def _note(person: Person, request: Request, agent: Agent) -> Note:
    kind = "credentials.regenerated"
    return Note(kind, person.org_id, person.email, agent.id, address_of(request))


@router.get(
    "/{id}/install-script",
    response_class=PlainTextResponse,
    responses={200: {"content": {SHELL: {"schema": {"type": "string"}}}}},
)
async def install_script(
    request: Request,
    state: Has,
    agent_id: AgentId,
    token: Annotated[str, Query(max_length=200, description="works once")] = "",
) -> PlainTextResponse:
    """Give an install script that asks for the secret; with a single-use token, a whole one."""
    state.connects.take(f"{caller(address_of(request))} script", "install scripts")
    async with state.database.write() as session:
        agent = await session.scalar(
            select(Agent).where(Agent.id == agent_id, Agent.deleted_at.is_(None))
        )
        if agent is None:
            raise NotFound("there is no such agent")
        order = await order_of(session, request, agent)
        if token:
            order = replace(order, secret=await _spent(session, state, agent, token))
            kind = "install-script.fetched"
            note = Note(kind, agent.org_id, "install token", agent.id, address_of(request))
            write_note(session, state.clock, note)
        else:
            order = replace(order, agent_name="")
        text = await state.installer.script(order)
    return PlainTextResponse(text, media_type=SHELL, headers={"Cache-Control": "no-store"})


async def _spent(session: AsyncSession, state: State, agent: Agent, token: str) -> str:
    """Use up a token and give the secret that it opens."""
    spent = await session.execute(
        delete(InstallToken)
        .where(
            InstallToken.token_hash == fingerprint(token),
            InstallToken.agent_id == agent.id,
            InstallToken.expires_at > state.clock(),
        )
        .returning(InstallToken.sealed)
        .execution_options(synchronize_session=False)
    )
    sealed = spent.scalar_one_or_none()
    if sealed is None:
        raise Unauthorized(
            "this token is unknown, used up or too old", hint="regenerate the credentials"
        )
    return unseal(sealed, token)
