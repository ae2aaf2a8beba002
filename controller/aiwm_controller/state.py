"""What one running controller holds, made once and handed to each request."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller.beats import BeatWriter
from aiwm_controller.clock import Clock
from aiwm_controller.database import Database
from aiwm_controller.install import Installer
from aiwm_controller.limits import Limiter
from aiwm_controller.liveness import Times
from aiwm_controller.logs import Meters
from aiwm_controller.models import Event
from aiwm_controller.outbound import Outbound
from aiwm_controller.pace import Pace
from aiwm_controller.passwords import Hasher
from aiwm_controller.sealing import Sealer
from aiwm_controller.settings import Settings
from aiwm_controller.tokens import Tokens


@dataclass
class State:
    """The parts of a controller."""

    settings: Settings
    database: Database
    tokens: Tokens
    sealer: Sealer
    outbound: Outbound
    hasher: Hasher
    clock: Clock
    meters: Meters
    beats: BeatWriter
    pace: Pace
    installer: Installer
    times: Times
    connects: Limiter
    refusals: Limiter
    logins: Limiter
    asked: set[tuple[str, str, bytes]] = field(default_factory=set)  # secrets that were right


def state_of(request: Request) -> State:
    """Give the state of the controller that got `request`."""
    state: State = request.app.state.controller
    return state


def address_of(request: Request) -> str:
    """Give the address that a request came from; a trusted proxy has named the real one."""
    return request.client.host if request.client else ""


def base_of(request: Request) -> str:
    """Give the public address of this controller, without a slash at its end."""
    settings = state_of(request).settings
    return settings.public_url or f"{str(request.base_url).rstrip('/')}{settings.path_prefix}"


@dataclass(frozen=True)
class Note:
    """What is written into the audit log; nothing secret goes into `detail`."""

    kind: str
    org_id: str
    actor: str
    agent_id: str | None = None
    address: str = ""
    detail: dict[str, object] | None = None


def write_note(session: AsyncSession, clock: Clock, note: Note) -> None:
    """Add a note to the audit log, in the transaction of what it tells about."""
    session.add(
        Event(
            org_id=note.org_id,
            agent_id=note.agent_id,
            at=clock(),
            kind=note.kind,
            actor=note.actor,
            address=note.address,
            detail=note.detail or {},
        )
    )
