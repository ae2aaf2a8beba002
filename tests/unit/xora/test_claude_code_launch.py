"""How Claude Code is started: what is allowed, in which mode, with which keys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from xora_agent.brain import McpServer, Mind, Model
from xora_agent.claude_code import launch
from xora_agent.errors import SettingError
from xora_agent.secret import Secret

KEY = Secret("sk-ant-secret")
CLAUDE = Model("anthropic", "claude-sonnet-4-5", key=KEY)
PROXY = replace(CLAUDE, base_url="https://aiwm.example.com/deployments/d1/inference")
SERVER = McpServer(
    "cbm-tools", "https://tools.example.com/mcp", {"Authorization": Secret("Bearer t")}
)


def mind(model: Model | None = CLAUDE, **settings: Any) -> Mind:
    return Mind(instruction="You are terse.", model=model, **settings)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (mind(None), "no key for Claude"),
        (mind(replace(CLAUDE, key=None)), "no key for Claude"),
        (mind(Model("openai", "gpt-4", key=KEY)), "can't ask openai"),
        (mind(permission_mode="yolo"), "'yolo' is not known"),
    ],
)
def test_what_claude_code_cannot_do_is_refused(chosen: Mind, words: str) -> None:
    with pytest.raises(SettingError, match=words) as refused:
        launch.check(chosen)
    assert refused.value.why
    assert refused.value.hint


@pytest.mark.parametrize("mode", launch.MODES)
def test_every_mode_is_taken(mode: str) -> None:
    launch.check(mind(permission_mode=mode))


def test_a_token_of_a_subscription_is_enough() -> None:
    launch.check(mind(None, oauth_token=Secret("oauth")))


@pytest.mark.parametrize(
    ("asked", "root", "sandbox", "used"),
    [
        ("bypassPermissions", False, False, "bypassPermissions"),
        ("bypassPermissions", True, True, "bypassPermissions"),
        ("bypassPermissions", True, False, "dontAsk"),
        ("acceptEdits", True, False, "acceptEdits"),
    ],
)
def test_root_bypasses_permissions_in_a_sandbox_alone(
    asked: str, root: bool, sandbox: bool, used: str
) -> None:
    assert launch.permission_mode(mind(permission_mode=asked), root=root, sandbox=sandbox) == used


def test_the_model_is_the_deployment_s_or_the_documents_default() -> None:
    assert launch.model_name(mind()) == "claude-sonnet-4-5"
    assert launch.model_name(mind(None)) == "claude-3-5-haiku-latest"
    assert launch.model_name(mind(replace(CLAUDE, name=""))) == "claude-3-5-haiku-latest"


def test_tools_go_by_all_of_their_names() -> None:
    allowed = ("Read", "Task", "TodoWrite", "mcp__cbm-tools__weather")
    own = ["Read", "Task", "Agent", "TodoWrite", "TaskCreate", "TaskUpdate", "TaskList", "TaskGet"]
    assert launch.builtin_tools(allowed) == own
    rules = launch.rules(("Read", "weather"), (SERVER,))
    assert rules == ["Read", "weather", "mcp__cbm-tools__Read", "mcp__cbm-tools__weather"]
    assert launch.rules((), (SERVER,)) == []


@pytest.mark.parametrize(
    ("tool", "rules", "may"),
    [
        ("Read", ["Read"], True),
        ("Read", ["ReadX"], False),
        ("mcp__a__b", ["mcp__a"], True),
        ("mcp__a__b", ["mcp__a__b"], True),
        ("mcp__ab__c", ["mcp__a"], False),
        ("mcp__a__bc", ["mcp__a__b"], False),
        ("Read", [], False),
    ],
)
def test_a_rule_allows_what_it_names(tool: str, rules: list[str], may: bool) -> None:
    assert launch.may_use(tool, rules) is may


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (mind(), {"ANTHROPIC_API_KEY": KEY.value}),
        (mind(PROXY), {"ANTHROPIC_AUTH_TOKEN": KEY.value, "ANTHROPIC_BASE_URL": PROXY.base_url}),
        (mind(None, oauth_token=Secret("oauth")), {"CLAUDE_CODE_OAUTH_TOKEN": "oauth"}),
        (mind(oauth_token=Secret("oauth")), {"ANTHROPIC_API_KEY": KEY.value}),
        (
            mind(replace(PROXY, key=None), oauth_token=Secret("oauth")),
            {"CLAUDE_CODE_OAUTH_TOKEN": "oauth"},  # for Anthropic, and not for a proxy
        ),
    ],
)
def test_one_key_is_given_and_the_others_are_taken_away(
    chosen: Mind, expected: dict[str, str]
) -> None:
    names = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
    given = launch.environment(chosen, dict.fromkeys(names, "somebody else's"), Path("/state"))
    found = {name: given[name] for name in (*names, "ANTHROPIC_BASE_URL") if given.get(name)}
    assert found == expected


def test_the_agent_s_own_secrets_are_taken_away_and_nothing_is_reported() -> None:
    own = {
        "AIWM_AGENT_SECRET": "a",
        "DISCORD_TOKEN": "b",
        "TELEGRAM_BOT_TOKEN": "c",
        "PATH": "/bin",
    }
    given = launch.environment(mind(), own, Path("/state"))
    assert [given[name] for name in list(own)[:3]] == ["", "", ""]
    assert "PATH" not in given
    for name in ("DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING", "DISABLE_AUTOUPDATER"):
        assert given[name] == "1"


def test_servers_are_written_as_claude_code_reads_them() -> None:
    written = json.loads(launch.mcp_config((SERVER,)))
    headers = {"Authorization": "Bearer t"}
    entry = {"type": "http", "url": "https://tools.example.com/mcp", "headers": headers}
    assert written == {"mcpServers": {"cbm-tools": entry}}
