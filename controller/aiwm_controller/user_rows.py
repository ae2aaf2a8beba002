"""Users as the database has them, for the API and for the command line."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller.errors import Conflict
from aiwm_controller.models import User
from aiwm_controller.tokens import Bearer


def user_bearer(user: User) -> Bearer:
    """Give what a user's token says."""
    return Bearer("user", user.id, user.org_id, (user.role,), user.generation, user.email)


async def refuse_known(session: AsyncSession, email: str) -> None:
    """Raise Conflict where somebody has this email; one that was deleted keeps it."""
    if await session.scalar(select(User.id).where(User.email == email)) is not None:
        raise Conflict(
            "this email can't be used: somebody has it, or had it",
            hint="use another one; who has it gets a token by `aiwm-controller token`, and a "
            "password by `aiwm-controller user password`",
        )
