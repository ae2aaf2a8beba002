"""Servers of tools: as the controller names them, and as a local file does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from xora_agent.brain import McpServer
from xora_agent.errors import SettingError
from xora_agent.own import require_safe
from xora_agent.secret import Secret
from xora_agent.values import text
from xora_agent.wire import Server

_HTTP = frozenset({"http", "streamable-http", "streamableHttp"})


def of_controller(servers: Mapping[str, Server], *, allow_http: bool) -> tuple[McpServer, ...]:
    """Give the controller's servers; raises SettingError for one that can't be used."""
    return tuple(
        _server(name, server.type, server.url, server.headers, allow_http=allow_http)
        for name, server in servers.items()
    )


def of_file(content: str, *, allow_http: bool) -> tuple[tuple[McpServer, ...], tuple[str, ...]]:
    """Give the servers of {name: {type: "http", url, headers}}, and why others are left out.

    The same below a key `mcpServers` is taken too. Raises SettingError where it is no JSON.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SettingError("the file of MCP servers is no JSON", why=str(error)[:200]) from error
    entries = data.get("mcpServers", data) if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        raise SettingError("the file of MCP servers is no object of servers by name")
    servers: list[McpServer] = []
    left_out: list[str] = []
    for name, entry in entries.items():
        try:
            servers.append(_of_entry(name, entry, allow_http=allow_http))
        except SettingError as error:
            left_out.append(f"{error.message}: {error.why}" if error.why else error.message)
    return tuple(servers), tuple(left_out)


def _of_entry(name: str, entry: Any, *, allow_http: bool) -> McpServer:
    if not isinstance(entry, dict):
        raise SettingError(f"the MCP server {name!r} is left out", why="it is no object")
    if "command" in entry or entry.get("type") == "stdio":
        raise SettingError(
            f"the MCP server {name!r} is left out",
            why='it is a command (stdio); only servers over HTTP are used: {"type": "http", "url"}',
        )
    headers = entry.get("headers", {})
    if not isinstance(headers, dict):
        raise SettingError(f"the MCP server {name!r} is left out", why="its headers are no object")
    kind, url = entry.get("type", "http"), entry.get("url", "")
    return _server(name, str(kind), str(url), headers, allow_http=allow_http)


def _server(
    name: str, kind: str, url: str, headers: Mapping[str, Any], *, allow_http: bool
) -> McpServer:
    if kind not in _HTTP:
        raise SettingError(
            f"the MCP server {name!r} is left out", why=f"its type is {kind[:40]!r}, not http"
        )
    try:
        sent = {text(header): Secret(text(value)) for header, value in headers.items()}
    except ValueError as error:
        raise SettingError(
            f"the MCP server {name!r} is left out", why=f"a header must be {error}"
        ) from error
    require_safe(url, f"the address of the MCP server {name!r}", allow_http=allow_http)
    return McpServer(name, url, sent)
