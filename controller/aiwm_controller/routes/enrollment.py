"""Enrollment: one token and one script for many hosts, and a credential for each of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import PlainTextResponse
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller import agent_settings, shapes, wire
from aiwm_controller.access import AgentId, Editor, Has, Person, refuse_greater_role
from aiwm_controller.agent_rows import add_agent, agent_of, check_references
from aiwm_controller.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from aiwm_controller.limits import caller
from aiwm_controller.listing import Pages, count
from aiwm_controller.models import Agent, EnrollmentToken
from aiwm_controller.routes.credentials import SHELL, Issued, fresh, handed_out, issue
from aiwm_controller.state import Note, State, address_of, base_of, write_note
from aiwm_controller.templates import render
from aiwm_controller.tokens import fingerprint, new_token

router = APIRouter(tags=["enrollment"])

TokenId = Annotated[str, Path(max_length=64)]
Json = dict[str, Any]


@router.post("/enrollment-tokens", status_code=201)
async def create_token(person: Editor, state: Has, body: wire.EnrollmentIn) -> Json:
    """Make a token for many hosts. It is shown this once."""
    refuse_greater_role(person, body.agent.role)
    template = {**body.agent.model_dump(), "settings": agent_settings.flat(body.agent.settings)}
    expires = body.expires_at
    if expires is not None:
        expires = _in_future(expires, state.clock())
    token, now = new_token("enroll"), state.clock()
    async with state.database.write() as session:
        await check_references(session, person.org_id, template)
        row = EnrollmentToken(
            org_id=person.org_id,
            name=body.name,
            token_hash=fingerprint(token),
            template=template,
            max_uses=body.max_uses,
            expires_at=expires,
            created_at=now,
            updated_at=now,
            created_by=person.id,
        )
        session.add(row)
        await session.flush()
        _audit(session, state, person, "enrollment-token.created", row)
        return {**shapes.enrollment(row), "token": token}


def _in_future(moment: datetime, now: datetime) -> datetime:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        moment = moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise BadRequest("expiresAt is out of range") from error
    if moment <= now:
        raise BadRequest("expiresAt is not in the future")
    return moment


def _audit(
    session: AsyncSession, state: State, person: Person, kind: str, row: EnrollmentToken
) -> None:
    detail: dict[str, object] = {"token": row.id, "name": row.name}
    write_note(session, state.clock, Note(kind, person.org_id, person.email, detail=detail))


@router.get("/enrollment-tokens")
async def list_tokens(person: Editor, state: Has, pages: Pages) -> Json:
    """List enrollment tokens, revoked ones too."""
    query = select(EnrollmentToken).where(EnrollmentToken.org_id == person.org_id)
    order = getattr(EnrollmentToken.created_at, pages.sort)()
    async with state.database.read() as session:
        total = await count(session, query)
        rows = await session.scalars(
            query.order_by(order, EnrollmentToken.id).offset(pages.offset).limit(pages.limit)
        )
        data = [shapes.enrollment(row) for row in rows]
        return shapes.page(data, total, pages.page, pages.limit)


@router.delete("/enrollment-tokens/{token_id}")
async def revoke_token(person: Editor, state: Has, token_id: TokenId) -> Json:
    """Revoke a token: no further host enrolls by it; those that did keep their credentials."""
    async with state.database.write() as session:
        row = await session.scalar(
            select(EnrollmentToken).where(
                EnrollmentToken.id == token_id, EnrollmentToken.org_id == person.org_id
            )
        )
        if row is None:
            raise NotFound("there is no such enrollment token")
        row.deleted_at = row.deleted_at or state.clock()
        _audit(session, state, person, "enrollment-token.revoked", row)
        return shapes.enrollment(row)


@router.post("/enroll", status_code=201)
async def enroll(request: Request, state: Has, body: wire.Enroll) -> Json:
    """Make an agent for the host that calls, or give the one that it has a new credential."""
    issued, agent = await _enrolled(request, state, body)
    return await handed_out(state, issued, agent)


@router.post(
    "/enroll/install-script",
    status_code=201,
    response_class=PlainTextResponse,
    responses={201: {"content": {SHELL: {"schema": {"type": "string"}}}}},
)
async def enroll_script(request: Request, state: Has, body: wire.Enroll) -> PlainTextResponse:
    """Enroll the host that calls, and give it the install script with its own credential."""
    issued, _ = await _enrolled(request, state, body, needs_script=True)
    text = await state.installer.script(issued.order)
    return PlainTextResponse(text, 201, media_type=SHELL, headers={"Cache-Control": "no-store"})


@router.get(
    "/enroll/script",
    response_class=PlainTextResponse,
    responses={200: {"content": {SHELL: {"schema": {"type": "string"}}}}},
)
async def many_hosts_script(request: Request) -> PlainTextResponse:
    """Give the one script for many hosts; it takes the token from AIWM_ENROLL_TOKEN."""
    return PlainTextResponse(render("enroll.sh.j2", base=base_of(request)), media_type=SHELL)


async def _enrolled(
    request: Request, state: State, body: wire.Enroll, *, needs_script: bool = False
) -> tuple[Issued, Agent]:
    address = address_of(request)
    state.refusals.check(f"enroll {caller(address)}", "refused enrollment tokens")
    async with state.database.read() as session:  # nobody makes us hash without a token
        holds = await session.scalar(select(EnrollmentToken.id).where(*_holds(state, body.token)))
    if holds is None:
        raise _refusal(state, address)
    made = await fresh(state)
    async with state.database.write() as session:
        token = await _used(session, state, body.token)
        if token is None:
            raise _refusal(state, address)
        agent = await _agent_of(session, state, token, body)
        detail: dict[str, object] = {"token": token.id, "host": body.host}
        actor = f"enrollment token {token.name}"
        note = Note("agent.enrolled", token.org_id, actor, agent.id, address, detail)
        issued = await issue(session, request, agent, made, note)
        if needs_script:  # where none can be made, nothing was enrolled
            await state.installer.script(issued.order)
    return issued, agent


def _refusal(state: State, address: str) -> Unauthorized:
    """Count a token that does not hold, and say so."""
    state.refusals.take(f"enroll {caller(address)}", "refused enrollment tokens")
    return Unauthorized(
        "the enrollment token is unknown, revoked, expired or used up",
        hint="get a new one from who runs the controller",
    )


def _holds(state: State, token: str) -> tuple[ColumnElement[bool], ...]:
    """Say which row is that of a token which may be used."""
    row = EnrollmentToken
    return (
        row.token_hash == fingerprint(token),
        row.deleted_at.is_(None),
        row.expires_at.is_(None) | (row.expires_at > state.clock()),
        row.max_uses.is_(None) | (row.uses < row.max_uses),
    )


async def _used(session: AsyncSession, state: State, token: str) -> EnrollmentToken | None:
    """Count one use of a token, as long as it may be used."""
    row = EnrollmentToken
    found = await session.execute(
        update(row)
        .where(*_holds(state, token))
        .values(uses=row.uses + 1, last_used_at=state.clock())
        .returning(row)
        .execution_options(synchronize_session=False)
    )
    return found.scalar_one_or_none()


async def _agent_of(
    session: AsyncSession, state: State, token: EnrollmentToken, body: wire.Enroll
) -> Agent:
    """Give the agent that this token made for this host, or make it."""
    found = await session.scalar(
        select(Agent)
        .where(Agent.enrolled_by == token.id, Agent.host == body.host, Agent.deleted_at.is_(None))
        .with_for_update()
    )
    claim = fingerprint(body.claim) if body.claim else None
    if found is not None:
        if found.claim_hash not in ("", claim) or found.claim_hash is None:
            raise Forbidden(
                f"{body.host} is enrolled, and this is not the host that claimed it",
                hint="enroll it as the user who did before, who has the claim; or have an editor "
                f"let go of that: DELETE /agents/{found.id}/claim",
            )
        if found.status == "suspended":
            raise Unauthorized("this host's agent is suspended")
        found.claim_hash = claim
        return found
    person = Person(f"enrollment:{token.id}"[:100], token.name, token.org_id, "")
    tags = list(dict.fromkeys([*token.template["tags"], *body.tags]))[:50]
    fields = {**token.template, "name": body.host, "type": "autonomous", "tags": tags}
    try:
        agent, _ = await add_agent(session, state, person, fields)
    except BadRequest as fault:
        raise Conflict(
            f"the enrollment token's agent can't be made: {fault.message}",
            hint="make a new token",
        ) from fault
    agent.enrolled_by, agent.host, agent.claim_hash = token.id, body.host, claim
    return agent


@router.delete("/agents/{id}/claim")
async def release_claim(person: Editor, request: Request, state: Has, agent_id: AgentId) -> Json:
    """Let another host, or one that was installed anew, enroll as this agent: the next one does."""
    async with state.database.write() as session:
        agent, _ = await agent_of(session, person, agent_id, lock=True)
        refuse_greater_role(person, agent.role)
        if agent.enrolled_by is None:
            raise BadRequest("no host enrolled as this agent")
        agent.claim_hash = ""
        address = address_of(request)
        note = Note("agent.claim-released", person.org_id, person.email, agent.id, address)
        write_note(session, state.clock, note)
    return {"message": "Claim released successfully"}
