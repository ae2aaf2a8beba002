"""What is done to a database before it serves: schema, first owner, users, tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller import configurations
from aiwm_controller.clock import utc_now
from aiwm_controller.database import SECONDS, Database
from aiwm_controller.errors import Conflict, NotFound, SetupError
from aiwm_controller.logs import log
from aiwm_controller.models import Event, Organization, User
from aiwm_controller.passwords import Hasher
from aiwm_controller.routes.people import refuse_known, user_bearer
from aiwm_controller.settings import Settings
from aiwm_controller.state import sealing_key, signing_key
from aiwm_controller.tokens import Tokens

Json = dict[str, Any]


@asynccontextmanager
async def _writing(settings: Settings, seconds: float | None = None) -> AsyncIterator[AsyncSession]:
    database = Database(settings.database, seconds=seconds)
    try:
        await database.check_schema()
        async with database.write() as session:
            yield session
    finally:
        await database.close()


async def check(settings: Settings) -> None:
    """Raise SetupError where the database is not ready to serve from.

    With `settings.migrate` it is made ready first: the schema, and the key that tokens need.
    """
    _warn_of_readers(settings)
    if settings.migrate:
        await migrate(settings)
        async with _writing(settings) as session:
            await signing_key(session, make=True)
    async with _writing(settings, SECONDS) as session:
        if not settings.jwt_secret and await signing_key(session, make=False) is None:
            raise SetupError(
                "there is no key to sign tokens with", hint="run `aiwm-controller init`"
            )


def _warn_of_readers(settings: Settings) -> None:
    """Say where others can read the database: by the key in it, they could make tokens."""
    file = Path(settings.database.database or "")
    if settings.database.get_backend_name() != "sqlite" or not file.is_file():
        return
    if file.stat().st_mode & 0o007:
        log.warning("others can read the database", file=str(file), hint=f"chmod o= {file}*")


async def migrate(settings: Settings) -> None:
    """Bring the schema up to date, and make the key that stored secrets are sealed by."""
    database = Database(settings.database)
    try:
        await database.upgrade()
        async with database.write() as session:
            await sealing_key(session, make=True)
    finally:
        await database.close()


async def init(settings: Settings, email: str, organization: str, password: str | None) -> Json:
    """Make the schema, an organization, its owner and its configuration."""
    await migrate(settings)
    hashed = await _hashed(password)
    now = utc_now()
    async with _writing(settings) as session:
        await refuse_known(session, _email(email))
        org = Organization(name=organization, created_at=now)
        session.add(org)
        await session.flush()
        owner = _user(org.id, _email(email), "owner", hashed)
        session.add(owner)
        await session.flush()
        await configurations.seed(session, now)
        made = await _token(session, settings, owner, 24)
        session.add(_note(org.id, "organization.created", owner))
    return {"organizationId": org.id, "userId": owner.id, "email": owner.email, **made}


async def seed(settings: Settings) -> list[tuple[str, str]]:
    """Write what is missing of the configuration."""
    async with _writing(settings) as session:
        return await configurations.seed(session, utc_now())


async def add_user(
    settings: Settings, email: str, role: str, organization: str | None, password: str | None
) -> Json:
    """Add a user to the one organization, or to the one that is named."""
    hashed = await _hashed(password)
    async with _writing(settings) as session:
        await refuse_known(session, _email(email))
        query = select(Organization)
        if organization is not None:
            query = query.where(Organization.id == organization)
        found = list(await session.scalars(query.limit(2)))
        if len(found) != 1:
            raise _not_one(organization, found)
        user = _user(found[0].id, _email(email), role, hashed)
        session.add(user)
        await session.flush()
        session.add(_note(user.org_id, "user.created", user))
        return {"id": user.id, "email": user.email, "role": user.role, "orgId": user.org_id}


def _not_one(wanted: str | None, found: list[Organization]) -> NotFound:
    if wanted is not None:
        return NotFound(
            f"there is no organization {wanted}",
            hint="give its id, as `aiwm-controller init --json` and GET /users show it (orgId)",
        )
    if found:
        return NotFound("there are several organizations", hint="name one's id by --organization")
    return NotFound("there is no organization yet", hint="run `aiwm-controller init`")


async def check_user(settings: Settings, email: str) -> None:
    """Raise NotFound where there is no such user."""
    async with _writing(settings) as session:
        await _known(session, email)


async def set_password(settings: Settings, email: str, password: str) -> None:
    """Set a password and end all tokens of the user."""
    hashed = await _hashed(password)
    async with _writing(settings) as session:
        user = await _known(session, email)
        user.password_hash = hashed
        user.generation += 1
        session.add(_note(user.org_id, "user.changed", user))


async def token(settings: Settings, email: str, hours: int) -> Json:
    """Sign a token for a user."""
    async with _writing(settings) as session:
        user = await _known(session, email)
        session.add(_note(user.org_id, "user.token-issued", user))
        return await _token(session, settings, user, hours)


async def _token(session: AsyncSession, settings: Settings, user: User, hours: int) -> Json:
    key = settings.jwt_secret or await signing_key(session, make=True)
    signed = Tokens(key or "").issue(user_bearer(user), now=utc_now(), seconds=hours * 3600)
    return {"token": signed, "expiresIn": hours * 3600}


async def _known(session: AsyncSession, email: str) -> User:
    query = select(User).where(User.email == _email(email), User.deleted_at.is_(None))
    user = await session.scalar(query)
    if user is None:
        raise NotFound(
            f"there is no user {email}",
            hint="see --email and --database; `aiwm-controller user add` adds one",
        )
    return user


async def _hashed(password: str | None) -> str | None:
    if password is None:
        return None
    hasher = Hasher()
    try:
        return await hasher.hash(password)
    finally:
        hasher.close()


def _user(org_id: str, email: str, role: str, hashed: str | None) -> User:
    now = utc_now()
    return User(
        org_id=org_id,
        email=email,
        role=f"organization.{role}",
        password_hash=hashed,
        created_at=now,
        updated_at=now,
    )


def _email(text: str) -> str:
    if text.count("@") != 1 or len(text) > 254 or text != text.strip():
        raise Conflict(f"{text!r} is no email address", hint="such as you@example.com")
    return text.lower()


def _note(org_id: str, kind: str, user: User) -> Event:
    detail = {"user": user.id, "email": user.email}
    return Event(org_id=org_id, at=utc_now(), kind=kind, actor="command line", detail=detail)
