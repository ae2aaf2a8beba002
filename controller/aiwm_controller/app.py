"""Puts the controller together: settings in, an ASGI application out."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from aiwm_controller import __version__, fleet, logs, mcp_server
from aiwm_controller import database as databases
from aiwm_controller.beat_stores import store_of
from aiwm_controller.beats import BeatWriter
from aiwm_controller.clock import Clock, utc_now
from aiwm_controller.database import Database, is_duplicate
from aiwm_controller.errors import Conflict, Fault, Unavailable
from aiwm_controller.express import Express
from aiwm_controller.fleet.visitors import page, wants_page
from aiwm_controller.install import Installer
from aiwm_controller.kept_keys import sealing_key, signing_key
from aiwm_controller.limits import (
    AssumeJson,
    Guard,
    Limiter,
    Passing,
    Receive,
    Scope,
    Send,
)
from aiwm_controller.liveness import Times
from aiwm_controller.logs import Meters, Traced, log
from aiwm_controller.models import Event, InstallToken
from aiwm_controller.outbound import Outbound, Reach
from aiwm_controller.pace import Pace
from aiwm_controller.passwords import Hasher
from aiwm_controller.routes import (
    agents,
    credentials,
    enrollment,
    inference,
    lifecycle,
    operations,
    people,
    resources,
)
from aiwm_controller.sealing import Sealer
from aiwm_controller.settings import Settings, from_environment
from aiwm_controller.state import State
from aiwm_controller.templates import STATIC
from aiwm_controller.tokens import Tokens

_KEPT = timedelta(days=90)  # of connections; what happened to credentials stays
_PASSING = ("agent.connected", "agent.disconnected", "connect.refused")


class Problem(BaseModel):
    """What every refusal says."""

    statusCode: int  # noqa: N815
    error: str
    message: str
    hint: str = ""
    correlationId: str = ""  # noqa: N815
    details: list[dict[str, Any]] = []


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 404, 409, 413, 422, 429, 503)
}


class Controller(FastAPI):
    """An application whose heartbeats the protocol may hand to `express`."""

    express: Express


def create(
    settings: Settings, *, clock: Clock = utc_now, ticks: Callable[[], float] = time.monotonic
) -> Controller:
    """Make the application; it opens its database when it starts.

    Args:
        settings: What it is started with.
        clock: The time that is stored and compared.
        ticks: Seconds by which tries are counted.
    """
    prefix = settings.path_prefix
    meters = Meters()
    app = Controller(
        title="AIWM controller",
        version=__version__,
        docs_url=f"{prefix}/api-docs",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        openapi_url=f"{prefix}/api-docs-json",
        lifespan=_lifespan(settings, clock, ticks, meters),
        responses=_PROBLEMS,
    )
    router = APIRouter(prefix=prefix)
    for part in (agents, lifecycle, credentials, enrollment, inference, people, operations):
        router.include_router(part.router)
    for kind in resources.KINDS:
        router.include_router(resources.router_of(kind))
    router.include_router(fleet.router, include_in_schema=False)
    app.include_router(router)
    if prefix:  # who watches over the process asks the same address, whatever people use
        app.add_api_route("/health", operations.health, include_in_schema=False)
    app.router.routes.append(Route(f"{prefix}/mcp", mcp_server.Endpoint(), methods=["POST"]))
    app.mount(f"{prefix}/static", StaticFiles(directory=STATIC), name="static")
    for fault in (Fault, RequestValidationError, HTTPException, SQLAlchemyError, OSError):
        app.add_exception_handler(fault, _answered)
    forms = frozenset({f"{prefix}/login", f"{prefix}/logout"})
    asking = re.compile(rf"{re.escape(prefix)}/deployments/[^/]+/inference/")
    passing = Passing(asking, settings.inference_limit)
    app.add_middleware(AssumeJson, forms=forms, passing=passing)
    app.add_middleware(Guard, limit=settings.body_limit, passing=passing, refuse=_refuse)
    app.add_middleware(Traced, meters=meters)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)
    app.express = Express(prefix, lambda: getattr(app.state, "controller", None))
    return app


def from_the_environment() -> FastAPI:
    """Make the application that the environment describes: each worker process calls this."""
    settings = from_environment()
    logs.configure(settings.log_level)
    app = create(settings)
    gc.freeze()  # what is loaded by now stays: the collector need not look at it again and again
    return app


def _lifespan(
    settings: Settings, clock: Clock, ticks: Callable[[], float], meters: Meters
) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(settings.database, seconds=databases.SECONDS)
        await database.check_schema()
        async with database.read() as session:
            kept = await signing_key(session, make=False)
            sealing = await sealing_key(session, make=False)
        state = State(
            settings=settings,
            database=database,
            tokens=Tokens(settings.jwt_secret or kept or ""),
            sealer=Sealer([key for key in (settings.sealing_key, sealing) if key]),
            outbound=Outbound(Reach(settings.private_endpoints)),
            hasher=Hasher(),
            clock=clock,
            meters=meters,
            beats=BeatWriter(store_of(database, settings.history), clock, meters),
            pace=Pace(settings.next_heartbeat),
            installer=Installer(settings.releases),
            times=Times(settings.online_within, settings.late_within),
            connects=Limiter(settings.connects_a_minute, 60, clock=ticks),
            refusals=Limiter(10, 60, clock=ticks),
            logins=Limiter(10, 60, clock=ticks),
        )
        app.state.controller = state
        app.state.mcp = mcp_server.manager(settings.body_limit)
        state.beats.start()
        sweeper = asyncio.create_task(_sweep(state))
        try:
            async with app.state.mcp.run():
                yield
        finally:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)
            await state.beats.stop()
            state.hasher.close()
            await state.outbound.close()
            await database.close()

    return lifespan


async def _sweep(state: State) -> None:
    """Remove, every hour, what is too old to be of use."""
    while True:
        try:
            await sweep(state)
        except (SQLAlchemyError, OSError) as error:
            log.warning("old rows were not removed", fault=repr(error)[:300])
        await asyncio.sleep(3600)


async def sweep(state: State) -> None:
    """Remove tokens that have expired, and old news of connections."""
    now = state.clock()
    async with state.database.write() as session:
        await session.execute(delete(InstallToken).where(InstallToken.expires_at < now))
        await session.execute(delete(Event).where(Event.kind.in_(_PASSING), Event.at < now - _KEPT))


async def _answered(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 404 and wants_page(request):
        return page(request, "nowhere.html", 404)
    fault, details = _fault_of(error)
    body = {
        "statusCode": fault.status,
        "error": HTTPStatus(fault.status).phrase,
        "message": fault.message,
        "hint": fault.hint,
        "correlationId": getattr(request.state, "correlation", ""),
        "details": details,
    }
    return JSONResponse(body, fault.status, headers=fault.headers)


def _fault_of(error: Exception) -> tuple[Fault, list[dict[str, Any]]]:
    if isinstance(error, Fault):
        return error, []
    if isinstance(error, RequestValidationError):
        fault = Fault("the request is not as it must be")
        fault.status = 422
        return fault, [_told(each) for each in error.errors()[:50]]
    if isinstance(error, HTTPException):
        fault = Fault(str(error.detail), headers=dict(error.headers or {}))
        fault.status = error.status_code
        return fault, []
    if isinstance(error, IntegrityError) and is_duplicate(error):
        return Conflict("another request made the same just now", hint="see what it made"), []
    log.error("the database does not answer", fault=repr(error)[:500])
    return Unavailable("the database does not answer"), []


def _told(error: dict[str, Any]) -> dict[str, Any]:
    """Say what is wrong and where, and not what was sent: it may be a secret."""
    return {
        "where": ".".join(str(part)[:100] for part in error["loc"][:20]),
        "message": str(error["msg"])[:300],
    }


async def _refuse(fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    response = await _answered(Request(scope), fault)
    await response(scope, receive, send)
