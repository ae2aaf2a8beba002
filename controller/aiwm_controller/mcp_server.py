"""The tools that the controller runs, for agents that speak MCP over streamable HTTP.

Each request stands for itself: there is no session, so that any worker can answer any of them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi.security.utils import get_authorization_scheme_param
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)
from mcp_types import Tool as ListedTool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from aiwm_controller import __version__, configured, tool_calls, tool_schemas
from aiwm_controller.agent_rows import still
from aiwm_controller.errors import Fault, GatewayTimeout, Unauthorized
from aiwm_controller.logs import log
from aiwm_controller.models import Tool
from aiwm_controller.secret_fields import headers_of
from aiwm_controller.state import State, state_of
from aiwm_controller.tokens import Bearer

Json = dict[str, Any]
Context = ServerRequestContext[Any, Request]


def manager(body_limit: int) -> StreamableHTTPSessionManager:
    """Make what speaks the protocol; it runs as long as the controller does."""
    server: Server[Any] = Server(
        "aiwm-controller",
        version=__version__,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda _: None,
    )
    return StreamableHTTPSessionManager(
        server, json_response=True, stateless=True, max_request_body_size=body_limit
    )


class Endpoint:
    """Lets agents in by their tokens, and no one else."""

    path = "/mcp"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self  # as logs and metrics name it
        request = Request(scope)
        state = state_of(request)
        scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("a bearer token is missing", hint="send the agent's token")
        bearer = state.tokens.verify(token, "agent")
        async with state.database.read() as session:
            await still(session, bearer)
        scope.setdefault("state", {})["agent"] = bearer
        await request.app.state.mcp.handle_request(scope, receive, send)


def _who(context: Context) -> tuple[State, Bearer]:
    if context.request is None:
        raise MCPError(INVALID_PARAMS, "there is no request")
    return state_of(context.request), context.request.scope["state"]["agent"]


async def _tools(state: State, bearer: Bearer) -> dict[str, Tool]:
    """Give the tools that an agent may use and the controller can run, by their names."""
    async with state.database.read() as session:
        found = await configured.load(session, await still(session, bearer))
    return {tool.name: tool for tool in found.tools if tool_calls.runnable(tool)}


async def list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
    """List the tools of the agent that asks."""
    del params
    tools = await _tools(*_who(context))
    return ListToolsResult(
        tools=[
            ListedTool(
                name=name,
                description=tool.description or None,
                input_schema=tool_calls.input_schema(tool),
            )
            for name, tool in tools.items()
        ]
    )


async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
    """Run one tool; what goes wrong in it is said to the model."""
    state, bearer = _who(context)
    tool = (await _tools(state, bearer)).get(params.name)
    if tool is None:
        raise MCPError(INVALID_PARAMS, f"there is no tool {params.name[:100]}")
    begin, status = time.monotonic(), 0
    try:
        status, text = await _run(state, tool, params.arguments or {})
    except Fault as fault:
        text = f"{fault.message}. {fault.hint}".strip()
    log.info(
        "tool called",
        tool=tool.id,
        agent=bearer.id,
        status=status,
        milliseconds=round((time.monotonic() - begin) * 1000),
    )
    failed = not 200 <= status < 300
    text = f"HTTP {status}\n{text}" if failed and status else text
    return CallToolResult(content=[TextContent(text=text)], is_error=failed)


async def _run(state: State, tool: Tool, arguments: Json) -> tuple[int, str]:
    try:
        async with asyncio.timeout(tool_calls.SECONDS):
            await asyncio.to_thread(tool_schemas.check, tool_calls.input_schema(tool), arguments)
            headers = headers_of(tool, state.sealer)
            asked = tool_calls.request_of(tool.endpoint or {}, headers, arguments)
            async with state.outbound.ask(asked) as response:
                return await tool_calls.answer_of(response)
    except TimeoutError as error:
        raise GatewayTimeout(f"the tool took more than {tool_calls.SECONDS} s") from error
