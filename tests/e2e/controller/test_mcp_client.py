"""The SDK's own client finds and calls tools at a controller that runs as a process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.provider import provider
from tests.support.served import serving

Mode = Literal["legacy", "auto"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_tools_of_an_agent(mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIWM_PRIVATE_ENDPOINTS", "127.0.0.0/8")
    database = f"sqlite:///{tmp_path}/controller.db"
    with (
        provider() as behind,
        serving(database, tmp_path / "log", "--path-prefix", "/dev/aiwm") as server,
    ):
        body = {
            "name": "find",
            "type": "api",
            "description": "Finds an item.",
            "schema": {"inputSchema": {"properties": {"id": {"type": "integer"}}}},
            "endpoint": {"url": f"{behind.url}/items/{{id}}"},
        }
        tool = server.call("POST", "/tools", body)["id"]
        agent, secret, _ = server.connected("agent")
        server.call("PUT", f"/agents/{agent}", {"allowedToolIds": [tool]})
        said = server.call("POST", f"/agents/{agent}/connect", {"secret": secret})
        listed, result = asyncio.run(_asked(said["mcpServers"]["cbm-tools"], mode))
        assert [(each.name, each.description) for each in listed] == [("find", "Finds an item.")]
        assert result.is_error is False
        assert "/items/7" in result.content[0].text
        assert behind.last.path == "/items/7"


async def _asked(server: dict[str, Any], mode: Mode) -> tuple[list[Any], Any]:
    assert server["type"] == "http"
    async with httpx2.AsyncClient(headers=server["headers"], timeout=30) as http:
        transport = streamable_http_client(server["url"], http_client=http)
        async with Client(transport, mode=mode) as client:
            tools = (await client.list_tools()).tools
            return tools, await client.call_tool("find", {"id": 7})
