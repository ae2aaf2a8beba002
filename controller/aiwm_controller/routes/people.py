"""Users, who log in, what an organization has configured, and the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from aiwm_controller import configurations, shapes, wire
from aiwm_controller.access import OWNER, Has, Owner, Person, Viewer
from aiwm_controller.clock import text_of
from aiwm_controller.errors import BadRequest, Conflict, NotFound, Unauthorized
from aiwm_controller.limits import caller
from aiwm_controller.listing import Pages, count
from aiwm_controller.models import Configuration, Event, Organization, User
from aiwm_controller.routes.resources import given, refuse_nulls
from aiwm_controller.state import Note, State, address_of, write_note
from aiwm_controller.tokens import Bearer

router = APIRouter()

Json = dict[str, Any]
UserId = Annotated[str, Path(max_length=64)]
Key = Annotated[str, Path(max_length=100)]


def user_bearer(user: User) -> Bearer:
    """Give what a user's token says."""
    return Bearer("user", user.id, user.org_id, (user.role,), user.generation, user.email)


async def authenticated(request: Request, state: State, body: wire.Login) -> User:
    """Give the user of an email and a password; raises Unauthorized, and TooMany."""
    address, email = caller(address_of(request)), body.email.lower()
    state.logins.take(f"{address} {email}", "logins")
    state.logins.check(address, "logins")
    async with state.database.read() as session:
        user = await session.scalar(
            select(User)
            .where(User.email == email, User.deleted_at.is_(None))
            .options(undefer(User.password_hash))
        )
    right = await state.hasher.matches(body.password, user.password_hash if user else None)
    if user is None or not right or user.status != "active":
        state.logins.take(address, "logins")
        raise Unauthorized("the email or the password is wrong")
    return user


@router.post("/auth/login", tags=["users"])
async def login(request: Request, state: Has, body: wire.Login) -> Json:
    """Give a user a token for a day."""
    user = await authenticated(request, state, body)
    seconds = state.settings.token_seconds
    token = state.tokens.issue(user_bearer(user), now=state.clock(), seconds=seconds)
    return {
        "accessToken": token,
        "token": token,
        "expiresIn": seconds,
        "refreshToken": None,
        "refreshExpiresIn": 0,
        "tokenType": "bearer",
        "user": shapes.user(user),
    }


@router.get("/auth/me", tags=["users"])
async def me(person: Viewer) -> Json:
    """Say who calls."""
    return {
        "id": person.id,
        "email": person.email,
        "orgId": person.org_id,
        "role": person.role,
    }


@router.get("/users", tags=["users"])
async def list_users(person: Owner, state: Has, pages: Pages) -> Json:
    """List the organization's users."""
    query = select(User).where(User.org_id == person.org_id, User.deleted_at.is_(None))
    order = getattr(User.created_at, pages.sort)()
    async with state.database.read() as session:
        total = await count(session, query)
        page = query.order_by(order, User.id).offset(pages.offset).limit(pages.limit)
        rows = await session.scalars(page)
        return shapes.page([shapes.user(row) for row in rows], total, pages.page, pages.limit)


@router.post("/users", status_code=201, tags=["users"])
async def create_user(person: Owner, state: Has, body: wire.UserIn) -> Json:
    """Add a user to the organization."""
    hashed = await state.hasher.hash(body.password) if body.password else None
    now = state.clock()
    async with state.database.write() as session:
        await refuse_known(session, body.email)
        user = User(
            org_id=person.org_id,
            email=body.email,
            role=body.role,
            password_hash=hashed,
            created_at=now,
            updated_at=now,
            created_by=person.id,
        )
        session.add(user)
        await session.flush()
        _audit(session, state, person, "user.created", user)
        return shapes.user(user)


async def refuse_known(session: AsyncSession, email: str) -> None:
    """Raise Conflict where somebody has this email; one that was deleted keeps it."""
    if await session.scalar(select(User.id).where(User.email == email)) is not None:
        raise Conflict(
            "this email can't be used: somebody has it, or had it",
            hint="use another one; who has it gets a token by `aiwm-controller token`, and a "
            "password by `aiwm-controller user password`",
        )


def _audit(session: AsyncSession, state: State, person: Person, kind: str, user: User) -> None:
    detail: dict[str, object] = {"user": user.id, "email": user.email, "role": user.role}
    write_note(session, state.clock, Note(kind, person.org_id, person.email, detail=detail))


@router.put("/users/{user_id}", tags=["users"])
@router.patch("/users/{user_id}", tags=["users"])
async def change_user(person: Owner, state: Has, user_id: UserId, body: wire.UserChanges) -> Json:
    """Change a user's role, status or password; all tokens of the user stop to work."""
    fields = given(body)
    refuse_nulls(fields)
    password = fields.pop("password", None)
    hashed = await state.hasher.hash(password) if password else None
    async with state.database.write() as session:
        user = await _user(session, person, user_id)
        for name, value in fields.items():
            setattr(user, name, value)
        if hashed:
            user.password_hash = hashed
        if fields or hashed:
            user.generation += 1
        user.updated_at, user.updated_by = state.clock(), person.id
        await session.flush()
        await _keep_an_owner(session, person)
        _audit(session, state, person, "user.changed", user)
        return shapes.user(user)


@router.delete("/users/{user_id}", tags=["users"])
async def delete_user(person: Owner, state: Has, user_id: UserId) -> Json:
    """Delete a user softly."""
    async with state.database.write() as session:
        user = await _user(session, person, user_id)
        user.deleted_at, user.updated_by = state.clock(), person.id
        await session.flush()
        await _keep_an_owner(session, person)
        _audit(session, state, person, "user.deleted", user)
    return {"message": "User deleted successfully"}


async def _user(session: AsyncSession, person: Person, user_id: str) -> User:
    # One change at a time: two owners who remove each other at once would leave nobody.
    organization = select(Organization.id).where(Organization.id == person.org_id)
    await session.execute(organization.with_for_update())
    query = select(User).where(
        User.id == user_id, User.org_id == person.org_id, User.deleted_at.is_(None)
    )
    found = await session.scalar(query)
    if found is None:
        raise NotFound("there is no such user")
    return found


async def _keep_an_owner(session: AsyncSession, person: Person) -> None:
    query = select(User.id).where(
        User.org_id == person.org_id,
        User.role == OWNER,
        User.status == "active",
        User.deleted_at.is_(None),
    )
    if await session.scalar(query.limit(1)) is None:
        raise BadRequest("the organization would have no owner left")


@router.get("/configurations", tags=["configuration"])
async def read_configurations(
    person: Owner, state: Has, key: Annotated[str, Query(max_length=100)] = ""
) -> Json:
    """List the keys without their values; with `key`, give that one with its value."""
    query = select(Configuration).where(Configuration.org_id == person.org_id)
    if key:
        query = query.where(Configuration.key == configurations.canonical(key))
    async with state.database.read() as session:
        rows = list(await session.scalars(query.order_by(Configuration.key)))
    if key and not rows:
        raise NotFound("this key has no value", hint="PUT /configurations/KEY, or seed")
    return _configuration(rows[0]) if key else {"data": [_named(row) for row in rows]}


def _named(row: Configuration) -> Json:
    return {"id": row.id, "key": row.key, "updatedAt": text_of(row.updated_at)}


def _configuration(row: Configuration) -> Json:
    return {**_named(row), "value": row.value}


@router.post("/configurations", tags=["configuration"])
async def set_configuration(person: Owner, state: Has, body: wire.ConfigurationIn) -> Json:
    """Set a key, new or not."""
    key = configurations.canonical(body.key)
    async with state.database.write() as session:
        row = await session.scalar(
            select(Configuration).where(
                Configuration.org_id == person.org_id, Configuration.key == key
            )
        )
        if row is None:
            row = Configuration(org_id=person.org_id, key=key)
            session.add(row)
        row.value, row.updated_at, row.updated_by = body.value, state.clock(), person.id
        detail: dict[str, object] = {"key": key}
        kind = "configuration.set"
        write_note(session, state.clock, Note(kind, person.org_id, person.email, detail=detail))
        await session.flush()
        return _configuration(row)


@router.delete("/configurations/{key}", tags=["configuration"])
async def delete_configuration(person: Owner, state: Has, key: Key) -> Json:
    """Remove a key: its default holds again."""
    async with state.database.write() as session:
        row = await session.scalar(
            select(Configuration).where(
                Configuration.org_id == person.org_id,
                Configuration.key == configurations.canonical(key),
            )
        )
        if row is None:
            raise NotFound("this key has no value")
        await session.delete(row)
    return {"message": "Configuration deleted successfully"}


@router.get("/audit", tags=["audit"])
async def audit(
    person: Owner,
    state: Has,
    pages: Pages,
    agent_id: Annotated[str, Query(alias="agentId", max_length=64)] = "",
    kind: Annotated[str, Query(max_length=40)] = "",
) -> Json:
    """List what happened to credentials and connections."""
    query = select(Event).where(Event.org_id == person.org_id)
    if agent_id:
        query = query.where(Event.agent_id == agent_id)
    if kind:
        query = query.where(Event.kind == kind)
    order = getattr(Event.id, pages.sort)()
    async with state.database.read() as session:
        total = await count(session, query)
        rows = await session.scalars(query.order_by(order).offset(pages.offset).limit(pages.limit))
        return shapes.page([shapes.event(row) for row in rows], total, pages.page, pages.limit)
