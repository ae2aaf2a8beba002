"""Tools of servers over MCP: which may be used, with tokens that are renewed under them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx2
import structlog
from mcp.shared.exceptions import MCPError
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.mcp import CallToolFunc, MCPToolset
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset

from xora_agent.brain import McpServer
from xora_agent.secret import Secret

_log = structlog.get_logger(__name__)
# Seconds that a server has to say hello; people wait for the answer meanwhile.
_HELLO = 10.0
# What a server that is gone, or refuses, ends in.
UNREACHED = (
    MCPError,
    RuntimeError,
    OSError,
    TimeoutError,
    httpx2.HTTPError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    ExceptionGroup,
)


class Pass(httpx2.Auth):
    """Puts a server's headers of this moment on each request: a renewed token counts at once."""

    def __init__(self, headers: dict[str, Secret]) -> None:
        self.headers = headers

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Set the headers; a refusal is not argued with."""
        for name, value in self.headers.items():
            request.headers[name] = value.value
        yield request


class Toolbox:
    """The servers that may be asked, and what they may be asked for."""

    def __init__(self, servers: Iterable[McpServer], allowed: Iterable[str]) -> None:
        self._servers = {server.name: server for server in servers}
        self._passes = {name: Pass(dict(s.headers)) for name, s in self._servers.items()}
        self._allowed = frozenset(allowed)

    def renew(self, servers: Iterable[McpServer]) -> None:
        """Take new headers for the servers that are known; requests from now on carry them."""
        for server in servers:
            if server.name in self._passes:
                self._passes[server.name].headers = dict(server.headers)

    async def open(self, stack: AsyncExitStack) -> tuple[list[AbstractToolset[object]], list[str]]:
        """Connect for one answer: the tools that are there, and the servers that are not."""
        opened: list[AbstractToolset[object]] = []
        missing: list[str] = []
        for name in self._wanted():
            toolset = self._toolset(name)
            try:
                await stack.enter_async_context(toolset)
                await toolset.list_tools()  # kept; to learn in an answer that it fails is too late
            except UNREACHED as fault:
                _log.warning("a server of tools can't be reached", server=name, fault=short(fault))
                missing.append(name)
                continue
            opened.append(self._limited(name, toolset))
        return opened, missing

    def _wanted(self) -> list[str]:
        return list(self._servers) if self._allowed else []

    def _toolset(self, name: str) -> MCPToolset[object]:
        async def call(
            _: RunContext[object], tool: CallToolFunc, tool_name: str, arguments: dict[str, Any]
        ) -> Any:
            try:
                return await tool(tool_name, arguments)
            except UNREACHED as fault:
                _log.warning("a tool failed", server=name, tool=tool_name, fault=short(fault))
                raise ToolFailed(f"{tool_name} could not be used: {short(fault)}") from fault

        return MCPToolset(
            self._servers[name].url,
            id=name,
            auth=self._passes[name],
            init_timeout=_HELLO,
            tool_error_behavior="failed",
            process_tool_call=call,
        )

    def _limited(self, name: str, toolset: MCPToolset[object]) -> AbstractToolset[object]:
        def may_use(_: RunContext[object], tool: ToolDefinition) -> bool:
            return is_allowed(name, tool.name, self._allowed)

        limited = toolset.filtered(may_use)
        # Two servers may each have a tool of the same name.
        return limited.prefixed(name) if len(self._servers) > 1 else limited


def is_allowed(server: str, tool: str, allowed: frozenset[str]) -> bool:
    """Tell whether a tool may be used: by its own name, or by the one that Claude Code gives it."""
    return bool({tool, f"mcp__{server}__{tool}", f"mcp__{server}"} & allowed)


def short(fault: BaseException) -> str:
    """Say in a line what failed; a group says what its first member says."""
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    line = " ".join(str(fault).split()) or type(fault).__name__
    return line[:200]
