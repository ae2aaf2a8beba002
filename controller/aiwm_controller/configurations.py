"""The keys that the controller itself knows, their defaults, and how they are read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller.models import Configuration, Organization

DOWNLOAD = "agent.download.baseUrl"
CHANNEL = "agent.release.channel"
DEFAULTS = {DOWNLOAD: "https://cdn.x-or.cloud/agents", CHANNEL: "stable"}
ALIASES = {"agent.download.base_url": DOWNLOAD}


def canonical(key: str) -> str:
    """Give the one name of a key."""
    return ALIASES.get(key, key)


async def value_of(session: AsyncSession, org_id: str, key: str) -> str:
    """Give what an organization has set, else the default."""
    query = select(Configuration.value).where(
        Configuration.org_id == org_id, Configuration.key == key
    )
    return await session.scalar(query) or DEFAULTS.get(key, "")


async def seed(session: AsyncSession, now: datetime) -> list[tuple[str, str]]:
    """Write the defaults where an organization has nothing; gives what was written."""
    written = []
    for org_id in list(await session.scalars(select(Organization.id))):
        query = select(Configuration.key).where(Configuration.org_id == org_id)
        present = set(await session.scalars(query))
        for key, value in DEFAULTS.items():
            if key not in present:
                session.add(Configuration(org_id=org_id, key=key, value=value, updated_at=now))
                written.append((org_id, key))
    return written
