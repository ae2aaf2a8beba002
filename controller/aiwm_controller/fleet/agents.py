"""The fleet page: agents with their state, live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select

from aiwm_controller.access import Has, Person
from aiwm_controller.agent_lists import Filters, filtered, statistics
from aiwm_controller.fleet.rows import row, trouble
from aiwm_controller.fleet.visitors import Seen, page
from aiwm_controller.listing import count
from aiwm_controller.liveness import ORDER, Liveness
from aiwm_controller.models import Agent, AgentTag, Presence
from aiwm_controller.state import State

router = APIRouter()

PAGE = 100


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
    return page(request, "fleet.html", seen=seen, **values)


@router.get("/fleet/rows")
async def fleet_rows(request: Request, state: Has, seen: Seen, asked: Asked) -> HTMLResponse:
    """Give the part of the page that changes."""
    values = await _fleet(state, seen.person, asked)
    return page(request, "_fleet.html", **values)


async def _fleet(state: State, person: Person, asked: Shown) -> dict[str, Any]:
    now = state.clock()
    query = filtered(state, person.org_id, asked.filters)
    order = trouble(state.times.column(now))
    rows = query.order_by(order, Agent.name, Agent.id).limit(PAGE).offset((asked.page - 1) * PAGE)
    async with state.database.read() as session:
        total = await count(session, query.with_only_columns(Agent.id))
        found = [(agent, presence) for agent, presence in await session.execute(rows)]
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
            "agents": [row(state, agent, presence, now) for agent, presence in found],
            "total": total,
            "pages": max(1, -(-total // PAGE)),
            "counts": counts,
            "tags": list(tags),
            "versions": list(versions),
            "states": ORDER,
            "now": now,
        }
