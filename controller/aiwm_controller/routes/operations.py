"""What those ask who run the controller: is it well, and how much does it do."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import func, select

from aiwm_controller import __version__
from aiwm_controller.access import Has
from aiwm_controller.liveness import ORDER
from aiwm_controller.models import Agent, Presence

router = APIRouter(tags=["operations"])

SECONDS = 5.0  # that the database may take to answer who asks for our health


@router.get("/health")
async def health(state: Has) -> dict[str, Any]:
    """Say that the controller is well: it reads its database."""
    async with asyncio.timeout(SECONDS), state.database.read() as session:
        await session.execute(select(1))
    return {"status": "ok", "version": __version__}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(state: Has) -> PlainTextResponse:
    """Give metrics in the format of Prometheus; they name no organization and no agent."""
    liveness = state.times.column(state.clock())
    query = (
        select(liveness, func.count())
        .join(Agent, Agent.id == Presence.agent_id)
        .where(Agent.deleted_at.is_(None))
        .group_by(liveness)
    )
    async with state.database.read() as session:
        counts = {row[0]: row[1] for row in await session.execute(query)}
    agents: dict[str, int] = {alive: counts.get(alive, 0) for alive in ORDER}
    return PlainTextResponse(state.meters.shown(agents).decode(), media_type=CONTENT_TYPE_LATEST)
