"""The fleet page: agents with their state, live, for people who log in."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from sqlalchemy import case, func, select

from aiwm_controller import shapes, wire
from aiwm_controller.access import Has, Person, person_of
from aiwm_controller.errors import Fault, Forbidden, NotFound, Unauthorized
from aiwm_controller.listing import count
from aiwm_controller.liveness import ORDER, Liveness
from aiwm_controller.models import Agent, AgentTag, Event, Heartbeat, Presence
from aiwm_controller.routes.agents import Filters, agent_of, filtered, statistics
from aiwm_controller.routes.people import authenticated
from aiwm_controller.state import State, state_of
from aiwm_controller.templates import render
from aiwm_controller.tokens import Bearer

router = APIRouter()

COOKIE = "aiwm_session"
SECONDS = 12 * 3600
PAGE = 100
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Visitor:
    """Somebody who is logged in, and what their forms must carry."""

    person: Person
    csrf: str


class LoginNeeded(Fault):
    """Nobody is logged in."""

    status = 303


async def visitor(request: Request) -> Visitor:
    """Give who is logged in; raises Unauthorized."""
    state = state_of(request)
    cookie = request.cookies.get(COOKIE, "")
    if not cookie:
        raise LoginNeeded("log in", headers={"Location": f"{state.settings.path_prefix}/login"})
    try:
        person = await person_of(state, state.tokens.verify(cookie, "session"))
    except Unauthorized as error:
        location = {"Location": f"{state.settings.path_prefix}/login"}
        raise LoginNeeded("log in again", headers=location) from error
    return Visitor(person, _csrf(cookie))


Seen = Annotated[Visitor, Depends(visitor)]


def _csrf(cookie: str) -> str:
    return hashlib.sha256(f"csrf {cookie}".encode()).hexdigest()


def same_origin(request: Request) -> None:
    """Raise Forbidden where another site's page sends a form."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", ""), urlsplit(state_of(request).settings.public_url).netloc}
    if site not in {"same-origin", "none"} or (origin and urlsplit(origin).netloc not in ours):
        raise Forbidden("this form was sent from another site")


def _page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    prefix = state_of(request).settings.path_prefix
    return HTMLResponse(render(name, prefix=prefix, **values), status, headers=_HEADERS)


@router.get("/login")
async def login_page(request: Request) -> HTMLResponse:
    """Ask who is there."""
    return _page(request, "login.html", fault="", email="")


@router.post("/login", dependencies=[Depends(same_origin)])
async def log_in(
    request: Request,
    state: Has,
    email: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Let somebody in, by a cookie that no script and no other site can use."""
    try:
        user = await authenticated(request, state, wire.Login(email=email, password=password))
    except ValidationError:
        said = "The email or the password is wrong."
        return _page(request, "login.html", 401, fault=said, email="")
    except Fault as fault:
        said = fault.message[:1].upper() + fault.message[1:] + "."
        return _page(request, "login.html", fault.status, fault=said, email=email)
    bearer = Bearer("session", user.id, user.org_id, (user.role,), user.generation, user.email)
    response = RedirectResponse(f"{state.settings.path_prefix}/", 303)
    response.set_cookie(
        COOKIE,
        state.tokens.issue(bearer, now=state.clock(), seconds=SECONDS),
        max_age=SECONDS,
        path=f"{state.settings.path_prefix}/",
        secure=state.settings.secure_cookies and not _plain_loopback(request),
        httponly=True,
        samesite="strict",
    )
    return response


def _plain_loopback(request: Request) -> bool:
    """Say whether a person looks at their own machine without TLS."""
    url = request.url
    return url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost", "::1"}


@router.post("/logout", dependencies=[Depends(same_origin)])
async def log_out(
    state: Has, seen: Seen, csrf: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """Let somebody go."""
    if not hmac.compare_digest(csrf.encode(), seen.csrf.encode()):
        raise Forbidden("this form is not one of this session")
    response = RedirectResponse(f"{state.settings.path_prefix}/login", 303)
    response.delete_cookie(COOKIE, path=f"{state.settings.path_prefix}/")
    return response


@dataclass(frozen=True)
class Shown:
    """What the fleet page is asked to show; what makes no sense is passed over."""

    search: str
    liveness: Liveness | None
    tag: str
    version: str
    page: int

    @property
    def filters(self) -> Filters:
        """Give the same as the API's filters."""
        return Filters(
            search=self.search,
            liveness=self.liveness,
            tag=[self.tag] if self.tag else [],
            version=self.version,
            status=None,
            type_=None,
            instruction_id="",
            node_id="",
        )

    def query(self, **changes: Any) -> str:
        """Give the query of the same page with some of it changed."""
        values = {
            "search": self.search,
            "liveness": self.liveness or "",
            "tag": self.tag,
            "version": self.version,
            "page": 1,
        } | changes
        return urlencode({name: each for name, each in values.items() if each not in ("", 1)})


def shown(
    search: Annotated[str, Query(max_length=200)] = "",
    liveness: Annotated[str, Query(max_length=20)] = "",
    tag: Annotated[str, Query(max_length=60)] = "",
    version: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> Shown:
    """Read the filters of the page's form, where a field may be left empty."""
    alive = next((each for each in ORDER if each == liveness), None)
    return Shown(search.strip(), alive, tag, version, page)


Asked = Annotated[Shown, Depends(shown)]


@router.get("/")
async def fleet_page(request: Request, state: Has, seen: Seen, asked: Asked) -> HTMLResponse:
    """Show the agents, those in trouble first."""
    values = await _fleet(state, seen.person, asked)
    return _page(request, "fleet.html", seen=seen, **values)


@router.get("/fleet/rows")
async def fleet_rows(request: Request, state: Has, seen: Seen, asked: Asked) -> HTMLResponse:
    """Give the part of the page that changes."""
    values = await _fleet(state, seen.person, asked)
    return _page(request, "_fleet.html", **values)


async def _fleet(state: State, person: Person, asked: Shown) -> dict[str, Any]:
    now = state.clock()
    query = filtered(state, person.org_id, asked.filters)
    place = {name: index for index, name in enumerate(ORDER)}
    order = case(place, value=state.times.column(now))
    page = query.order_by(order, Agent.name, Agent.id).limit(PAGE).offset((asked.page - 1) * PAGE)
    async with state.database.read() as session:
        total = await count(session, query.with_only_columns(Agent.id))
        rows = [(agent, presence) for agent, presence in await session.execute(page)]
        counts = await statistics(session, state, person.org_id)
        mine = (Agent.org_id == person.org_id, Agent.deleted_at.is_(None))
        tags = await session.scalars(
            select(AgentTag.tag).join(Agent).where(*mine).group_by(AgentTag.tag)
            .order_by(func.count().desc(), AgentTag.tag).limit(50)
        )  # fmt: skip
        versions = await session.scalars(
            select(Presence.version).join(Agent).where(*mine, Presence.version != "")
            .group_by(Presence.version).order_by(func.count().desc()).limit(50)
        )  # fmt: skip
        return {
            "asked": asked,
            "agents": [_row(state, agent, presence, now) for agent, presence in rows],
            "total": total,
            "pages": max(1, -(-total // PAGE)),
            "counts": counts,
            "tags": list(tags),
            "versions": list(versions),
            "states": ORDER,
            "now": now,
        }


def _row(state: State, agent: Agent, presence: Presence, now: datetime) -> dict[str, Any]:
    beat = presence.last_heartbeat_at
    liveness = state.times.of(beat, presence.last_disconnected_at, now)
    upgrade = presence.upgrade or {}
    pending = presence.config_seen is not None and presence.config_seen != agent.config_version
    return {
        "id": agent.id,
        "name": agent.name,
        "host": agent.host,
        "status": agent.status,
        "liveness": liveness,
        "reported": presence.reported,
        "version": presence.version,
        "tags": list(agent.tags),
        "beat": beat,
        "ago": ago(beat, now),
        "troubles": _troubles(agent, presence, upgrade),
        "pending": pending,
    }


def _troubles(agent: Agent, presence: Presence, upgrade: dict[str, Any]) -> list[str]:
    outcome = str(upgrade.get("outcome", ""))
    return [
        text
        for text, is_so in (
            ("suspended", agent.status == "suspended"),
            (f"upgrade {outcome}", outcome not in ("", "committed", "ok", "success")),
            (f"{presence.failed_connects} refused", presence.failed_connects > 0),
        )
        if is_so
    ]


def ago(moment: datetime | None, now: datetime) -> str:
    """Say how long ago something was, in one unit."""
    if moment is None:
        return "never"
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


@router.get("/fleet/agents/{agent_id}")
async def agent_page(request: Request, state: Has, seen: Seen, agent_id: str) -> HTMLResponse:
    """Show one agent and its history."""
    try:
        values = await _history(state, seen.person, agent_id)
    except NotFound:
        return _page(request, "missing.html", 404, seen=seen)
    return _page(request, "agent.html", seen=seen, **values)


@router.get("/fleet/agents/{agent_id}/live")
async def agent_live(request: Request, state: Has, seen: Seen, agent_id: str) -> HTMLResponse:
    """Give the part of an agent's page that changes."""
    return _page(request, "_agent.html", **await _history(state, seen.person, agent_id))


async def _history(state: State, person: Person, agent_id: str) -> dict[str, Any]:
    now = state.clock()
    async with state.database.read() as session:
        agent, presence = await agent_of(session, person, agent_id)
        beats = await session.scalars(
            select(Heartbeat)
            .where(Heartbeat.agent_id == agent.id)
            .order_by(Heartbeat.at.desc())
            .limit(60)
        )
        events = await session.scalars(
            select(Event).where(Event.agent_id == agent.id).order_by(Event.id.desc()).limit(50)
        )
        return {
            "agent": shapes.agent(agent, presence, ""),
            "row": _row(state, agent, presence, now),
            "beats": [{"row": beat, "ago": ago(beat.at, now)} for beat in beats],
            "events": [{"row": each, "ago": ago(each.at, now)} for each in events],
            "now": now,
        }
