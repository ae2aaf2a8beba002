"""The way to a model: agents ask the controller, which alone has the provider's key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Receive, Scope, Send

from aiwm_controller import forwarding
from aiwm_controller.access import Has
from aiwm_controller.agent_rows import still
from aiwm_controller.errors import BadGateway, Conflict, Fault, Forbidden, NotFound, TooLarge
from aiwm_controller.logs import log
from aiwm_controller.models import Agent, Deployment
from aiwm_controller.outbound import Asked, endpoint_of
from aiwm_controller.state import State

router = APIRouter(prefix="/deployments", tags=["inference"])

DeploymentId = Annotated[str, Path(alias="id", max_length=64)]


class Streamed(StreamingResponse):
    """Passes an answer on as it comes, and lets go of the provider when either side ends."""

    def __init__(self, status: int, headers: forwarding.Headers, stack: AsyncExitStack) -> None:
        self._stack = stack
        super().__init__(_nothing(), status)
        self.raw_headers = list(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            async with self._stack:
                await super().__call__(scope, receive, send)
        except Fault as fault:  # too late to say so: the server cuts the answer off
            log.warning("a provider's answer broke off", fault=fault.message, why=fault.hint)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


@dataclass(frozen=True)
class Model:
    """A deployment as it is asked."""

    provider: str
    address: str
    key: str


@router.api_route(
    "/{id}/inference/{path:path}",
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    include_in_schema=False,  # what there is to ask, the provider's own documents say
)
async def infer(request: Request, state: Has, deployment_id: DeploymentId) -> StreamingResponse:
    """Ask the provider of a deployment, with its key, whatever its SDK asks."""
    headers = request.headers.raw
    token = forwarding.token_in(headers)
    bearer = state.tokens.verify(token, "agent")
    async with state.database.read() as session:
        model = await _model(session, state, await still(session, bearer), deployment_id)
    base = endpoint_of(model.address)
    sent = forwarding.forwarded(headers, token)
    if model.key:
        sent.append(forwarding.key_header(model.provider, model.key, headers))
    asked = Asked(
        method=request.method,
        base=base,
        target=forwarding.target(base, _rest(request), request.scope["query_string"], token),
        headers=sent,
        body=_body(request, state.settings.inference_limit),
        seconds=state.settings.inference_seconds,
    )
    return await _answered(state, asked)


async def _model(session: AsyncSession, state: State, agent: Agent, deployment_id: str) -> Model:
    row = await session.scalar(
        select(Deployment).where(
            Deployment.id == deployment_id,
            Deployment.org_id == agent.org_id,
            Deployment.deleted_at.is_(None),
        )
    )
    if row is None:
        raise NotFound("there is no such deployment")
    if agent.deployment_id != row.id:
        raise Forbidden("this is another agent's deployment")
    if row.status != "active":
        raise Forbidden("the deployment is inactive")
    address = row.api_endpoint or forwarding.DEFAULTS.get(row.provider.lower(), "")
    if not address:
        raise Conflict("the deployment has no apiEndpoint", hint="set the provider's address")
    key = state.sealer.open(row.sealed_key) if row.sealed_key else ""
    return Model(row.provider, address, key)


def _rest(request: Request) -> bytes:
    """Give what follows /inference/, as it came: decoded, a path could mean another."""
    raw: bytes = request.scope["raw_path"]
    return raw.partition(b"/deployments/")[2].partition(b"/inference/")[2]


def _body(request: Request, limit: int) -> AsyncIterator[bytes] | None:
    if not {"content-length", "transfer-encoding"} & set(request.headers.keys()):
        return None
    return _counted(request, limit)


async def _counted(request: Request, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"the body has more than {limit} bytes")
        yield part


async def _answered(state: State, asked: Asked) -> StreamingResponse:
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(state.outbound.ask(asked))
        if forwarding.is_redirect(answer.status):
            raise BadGateway("the provider sends elsewhere", hint="correct the apiEndpoint")
        response = Streamed(answer.status, forwarding.returned(answer.headers), stack.pop_all())
        response.body_iterator = answer.aiter_stream()
    return response
