"""Who calls: a user with a role, or an agent. Every route names one of these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select

from aiwm_controller.errors import Forbidden, Unauthorized
from aiwm_controller.models import User
from aiwm_controller.state import State, state_of
from aiwm_controller.tokens import Bearer

VIEWER, EDITOR, OWNER = "organization.viewer", "organization.editor", "organization.owner"
_RANKS = {VIEWER: 0, EDITOR: 1, OWNER: 2}

_scheme = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A user's or agent's token.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]
AgentId = Annotated[str, Path(alias="id", max_length=64)]
Has = Annotated[State, Depends(state_of)]


@dataclass(frozen=True)
class Person:
    """A user who is logged in."""

    id: str
    email: str
    org_id: str
    role: str

    def may(self, role: str) -> bool:
        """Say whether the person has this role, or a greater one."""
        return _RANKS[self.role] >= _RANKS[role]


def refuse_greater_role(person: Person, role: str) -> None:
    """Raise Forbidden where somebody would get at an agent that may more than they may.

    An agent's token says its role to all services that verify it.
    """
    if not person.may(role):
        raise Forbidden(f"only who has the role {role} may do this", hint=f"you are {person.role}")


def token_of(credentials: HTTPAuthorizationCredentials | None) -> str:
    """Give the bearer token of a request; raises Unauthorized where it has none."""
    if credentials is None:
        raise Unauthorized("a bearer token is missing", hint="send Authorization: Bearer TOKEN")
    return credentials.credentials


async def person_of(state: State, bearer: Bearer) -> Person:
    """Give the user of a token, as long as the user may use it."""
    async with state.database.read() as session:
        user = await session.scalar(
            select(User).where(User.id == bearer.id, User.deleted_at.is_(None))
        )
    if user is None or user.org_id != bearer.org_id or user.generation != bearer.generation:
        raise Unauthorized("the token is no longer valid", hint="log in again")
    if user.status != "active":
        raise Unauthorized("this user is suspended")
    return Person(user.id, user.email, user.org_id, user.role)


def _needs(role: str) -> Callable[..., Awaitable[Person]]:
    async def dependency(request: Request, credentials: Credentials) -> Person:
        state = state_of(request)
        person = await person_of(state, state.tokens.verify(token_of(credentials), "user"))
        if not person.may(role):
            raise Forbidden(f"this needs the role {role}", hint=f"you are {person.role}")
        return person

    return dependency


Viewer = Annotated[Person, Depends(_needs(VIEWER))]
Editor = Annotated[Person, Depends(_needs(EDITOR))]
Owner = Annotated[Person, Depends(_needs(OWNER))]


def caller_agent(request: Request, credentials: Credentials, agent_id: AgentId) -> Bearer:
    """Give the agent that calls about itself; raises Forbidden where it is another one."""
    bearer = state_of(request).tokens.verify(token_of(credentials), "agent")
    if bearer.id != agent_id:
        raise Forbidden("this token belongs to another agent")
    return bearer


CallingAgent = Annotated[Bearer, Depends(caller_agent)]
