"""A server of tools over MCP's streamable HTTP, which keeps what it was asked with which token."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class ToolServer:
    """What is known about the server: where it is, and what it was asked."""

    url: str
    tokens: list[str] = field(default_factory=list)  # the Authorization header of each request
    calls: list[str] = field(default_factory=list)  # which tool was used, and with what
    refused: set[str] = field(default_factory=set)  # tokens that get 401
    slow_tool_entered: threading.Event = field(default_factory=threading.Event)
    slow_tool_goes_on: threading.Event = field(default_factory=threading.Event)


def _tools(known: ToolServer) -> MCPServer:
    server = MCPServer("stand-in", log_level="ERROR")

    @server.tool()
    def weather(city: str) -> str:
        """Say how the weather is in a city."""
        known.calls.append(f"weather {city}")
        return f"It rains in {city}."

    @server.tool()
    async def slow(word: str) -> str:
        """Say a word after a while."""
        known.calls.append(f"slow {word}")
        known.slow_tool_entered.set()
        await asyncio.to_thread(known.slow_tool_goes_on.wait, 20)
        return f"slowly: {word}"

    @server.tool()
    def fails() -> str:
        """Fail."""
        known.calls.append("fails")
        raise ValueError("the tool has a fault")

    return server


class _Guard:
    """Writes down each request's token, and refuses those that are to be refused."""

    def __init__(self, app: ASGIApp, known: ToolServer) -> None:
        self._app = app
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            token = dict(scope["headers"]).get(b"authorization", b"").decode()
            self._known.tokens.append(token)
            if token in self._known.refused:
                await PlainTextResponse("no", status_code=401)(scope, receive, send)
                return
        await self._app(scope, receive, send)


@contextmanager
def tool_server() -> Iterator[ToolServer]:
    """Run the server in a thread."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    known = ToolServer(url=f"http://127.0.0.1:{listening.getsockname()[1]}/mcp")
    app = _Guard(_tools(known).streamable_http_app(), known)
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        _wait_for(server, thread)
        yield known
    finally:
        known.slow_tool_goes_on.set()
        server.should_exit = True
        thread.join()
        listening.close()


def _wait_for(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server of tools did not start")
        time.sleep(0.01)
