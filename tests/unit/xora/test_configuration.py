"""What an agent becomes of the controller's answer, its environment and its files."""

from __future__ import annotations

from typing import Any

import pytest
from xora_agent.brain import McpServer, Model
from xora_agent.configuration import BUILT_IN, Kind, Sources, wanted
from xora_agent.errors import SettingError
from xora_agent.platform import Access
from xora_agent.secret import Secret
from xora_agent.wire import Configuration

TOKEN = Secret("the-agents-token")


def told(**fields: Any) -> Configuration:
    return Configuration.model_validate(fields)


def sources(kind: Kind = Kind.CLAUDE_CODE, **more: Any) -> Sources:
    return Sources(kind, more.pop("env", {}), **more)


def test_defaults_are_those_of_the_documents() -> None:
    mind = wanted(sources()).mind
    assert mind.model == Model("anthropic", "claude-3-5-haiku-latest")
    assert (mind.max_turns, mind.permission_mode, mind.resume) == (100, "bypassPermissions", True)
    assert mind.allowed_tools == BUILT_IN
    assert mind.instruction == "You are xora-cc-agent, a helpful assistant."
    assert wanted(sources()).platforms == {}


def test_the_controller_goes_before_the_environment() -> None:
    env = {
        "CLAUDE_MODEL": "env",
        "CLAUDE_MAX_TURNS": "3",
        "DISCORD_TOKEN": "env-token",
        "DISCORD_CHANNEL_ID": "1,2",
        "TELEGRAM_BOT_TOKEN": "env-token",
        "AGENT_NAME": "env",
    }
    settings = {
        "claudeModel": "nested",
        "claude_model": "flat",
        "discord": {"token": "nested-token", "channelIds": ["9"]},
        "telegram_token": "",
    }
    found = wanted(sources(env=env, told=told(settings=settings, agent={"name": "told"})))
    assert found.name == "told"
    assert found.mind.model == Model("anthropic", "flat")
    assert found.mind.max_turns == 3
    # An empty token of the controller turns the platform off.
    assert found.platforms == {"discord": Access(Secret("nested-token"), frozenset({"9"}))}


@pytest.mark.parametrize("kind", Kind)
def test_a_deployment_is_asked_through_its_proxy_with_the_agents_token(kind: Kind) -> None:
    deployment = {
        "provider": "OpenAI",
        "model": "gpt-x",
        "baseAPIEndpoint": "https://controller/deployments/1/inference",
        "apiEndpoint": "https://provider/v1",
    }
    env = {"OPENAI_API_KEY": "own-key"}
    model = wanted(sources(kind, env=env, told=told(deployment=deployment), token=TOKEN)).mind.model
    assert model == Model("openai", "gpt-x", deployment["baseAPIEndpoint"], TOKEN)
    del deployment["baseAPIEndpoint"]
    model = wanted(sources(kind, env=env, told=told(deployment=deployment), token=TOKEN)).mind.model
    assert model == Model("openai", "gpt-x", "https://provider/v1", Secret("own-key"))


def test_without_a_deployment_the_other_agent_goes_by_its_environment() -> None:
    assert wanted(sources(Kind.MULTI_PROVIDER)).mind.model is None
    key = {"ANTHROPIC_API_KEY": "key"}
    found = wanted(sources(Kind.MULTI_PROVIDER, env=key)).mind.model
    assert found == Model("anthropic", "claude-3-5-haiku-latest", None, Secret("key"))
    env = {
        "VERCEL_PROVIDER": "groq",
        "VERCEL_MODEL": "llama",
        "GROQ_API_KEY": "key",
        "VERCEL_TEMPERATURE": "0",
        "VERCEL_TOP_P": "0.5",
    }
    mind = wanted(sources(Kind.MULTI_PROVIDER, env=env)).mind
    assert mind.model == Model("groq", "llama", None, Secret("key"))
    assert (mind.temperature, mind.top_p, mind.max_tokens) == (0, 0.5, None)


TOOLS = [
    {"name": "Read", "type": "builtin"},
    {"name": "Rm", "type": "builtin"},
    {"name": "search", "type": "mcp"},
    {"name": "old", "type": "api", "status": "inactive"},
]


@pytest.mark.parametrize(
    ("tools", "env", "expected"),
    [
        (None, {"ALLOWED_TOOLS": "Bash,Read"}, ("Bash", "Read")),
        (None, {"ALLOWED_TOOLS": ""}, ()),
        ([], {"ALLOWED_TOOLS": "Bash,Read"}, ("Bash", "Read")),
        (TOOLS, {"ALLOWED_TOOLS": "Bash,Read"}, ("Read", "search")),
        (TOOLS[2:], {"ALLOWED_TOOLS": "Bash"}, ("Bash", "search")),
        (TOOLS, {"ALLOWED_TOOLS": ""}, ("search",)),
    ],
)
def test_tools(tools: object, env: dict[str, str], expected: tuple[str, ...]) -> None:
    found = wanted(sources(env=env, told=told(tools=tools)))
    assert found.mind.allowed_tools == expected


SERVERS = {
    "cbm-tools": {
        "type": "http",
        "url": "https://controller/mcp",
        "headers": {"Authorization": "Bearer x"},
    }
}


def test_servers_of_tools_come_from_the_controller_else_from_a_file() -> None:
    file = '{"mine": {"type": "http", "url": "http://localhost:1/mcp"}}'
    found = wanted(sources(told=told(mcpServers=SERVERS), mcp_file=file)).mind.mcp_servers
    assert found == (
        McpServer("cbm-tools", "https://controller/mcp", {"Authorization": Secret("Bearer x")}),
    )
    assert wanted(sources(told=told(mcpServers={}), mcp_file=file)).mind.mcp_servers == ()
    alone = wanted(sources(mcp_file=file)).mind.mcp_servers
    assert alone == (McpServer("mine", "http://localhost:1/mcp", {}),)


def test_a_token_goes_nowhere_by_http() -> None:
    servers = {"cbm-tools": {**SERVERS["cbm-tools"], "url": "http://controller/mcp"}}
    with pytest.raises(SettingError, match="is http"):
        wanted(sources(told=told(mcpServers=servers)))
    assert wanted(sources(told=told(mcpServers=servers), allow_http=True)).mind.mcp_servers
    deployment = {"provider": "openai", "model": "m", "baseAPIEndpoint": "http://controller/1"}
    with pytest.raises(SettingError, match="is http"):
        wanted(sources(told=told(deployment=deployment)))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"instruction": "A text."}, "A text."),
        ({"instruction": ""}, ""),
        ({"instruction": {"systemPrompt": "A.", "guidelines": ["b", "c"]}}, None),
        ({"instructionText": "Another."}, "Another."),
        ({}, "Of the file."),
    ],
)
def test_the_instruction_is_an_object_or_a_text(
    fields: dict[str, object], expected: str | None
) -> None:
    mind = wanted(sources(told=told(**fields), instruction="Of the file.")).mind
    assert mind.instruction == (expected if expected is not None else _GUIDED)


_GUIDED = "A.\n\n## Guidelines\n1. b\n2. c"
