"""The keys that the database keeps: one signs tokens, one seals what is stored."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from aiwm_controller.models import Key

_SIGNING, _SEALING = "jwt", "sealing"


async def signing_key(session: AsyncSession, *, make: bool) -> str | None:
    """Give the key for tokens that is kept in the database; `make` one where there is none."""
    return await _kept_key(session, _SIGNING, make=make)


async def sealing_key(session: AsyncSession, *, make: bool) -> str | None:
    """Give the key for stored secrets that is kept in the database; `make` one as above."""
    return await _kept_key(session, _SEALING, make=make)


async def _kept_key(session: AsyncSession, name: str, *, make: bool) -> str | None:
    query = select(Key).where(Key.name == name).options(undefer(Key.value))
    found = (await session.scalars(query)).one_or_none()
    if found is None and make:
        found = Key(name=name, value=secrets.token_hex(32))
        session.add(found)
    return found.value if found else None
