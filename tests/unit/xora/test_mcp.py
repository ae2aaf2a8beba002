"""The local file of MCP servers."""

from __future__ import annotations

import json

import pytest
from xora_agent.errors import SettingError
from xora_agent.mcp import of_file
from xora_agent.secret import Secret


def test_native_http_entries_are_taken_in_both_forms() -> None:
    entries = {
        "a": {"type": "http", "url": "https://a/mcp", "headers": {"Authorization": "Bearer x"}},
        "b": {"url": "http://127.0.0.1:1/mcp"},
    }
    for content in (entries, {"mcpServers": entries}):
        servers, left_out = of_file(json.dumps(content), allow_http=False)
        assert [server.name for server in servers] == ["a", "b"]
        assert servers[0].headers == {"Authorization": Secret("Bearer x")}
        assert left_out == ()


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"command": "npx", "args": ["-y", "x"]}, "it is a command (stdio); only servers over"),
        ({"type": "stdio", "url": "https://a"}, "it is a command (stdio); only servers over"),
        ({"type": "sse", "url": "https://a"}, "its type is 'sse', not http"),
        ({"type": "http"}, "is no http or https address"),
        ({"type": "http", "url": "http://a/mcp"}, "is http, where anybody"),
        ({"type": "http", "url": "https://u:p@a/mcp"}, "must have no user"),
        ({"url": "https://a", "headers": {"A": "b\nc: d"}}, "a header must be one line"),
        ({"url": "https://a", "headers": ["A"]}, "its headers are no object"),
        ("https://a", "it is no object"),
    ],
)
def test_an_entry_that_cannot_be_used_is_left_out_and_told(entry: object, sentence: str) -> None:
    content = json.dumps({"bad": entry, "good": {"url": "https://b"}})
    servers, left_out = of_file(content, allow_http=False)
    assert [server.name for server in servers] == ["good"]
    assert len(left_out) == 1
    assert "'bad'" in left_out[0]
    assert sentence in left_out[0]


@pytest.mark.parametrize("content", ["", "[]", "{", "1", '{"mcpServers": []}', "[" * 100_000])
def test_what_is_no_object_of_servers_is_told(content: str) -> None:
    with pytest.raises(SettingError, match="the file of MCP servers is no"):
        of_file(content, allow_http=False)
