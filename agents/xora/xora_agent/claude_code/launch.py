"""How Claude Code's command line is started: pure, from a mind to options and an environment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from xora_agent.brain import McpServer, Mind
from xora_agent.errors import SettingError

DEFAULT_MODEL = "claude-3-5-haiku-latest"
MODES = ("bypassPermissions", "acceptEdits", "default", "dontAsk", "plan", "auto")
# The names of the documents stand for what Claude Code calls these tools by now.
_ALSO = {
    "Task": ("Agent",),
    "TodoWrite": ("TaskCreate", "TaskUpdate", "TaskList", "TaskGet"),
}
# It makes a conversation shorter once it has 150,000 tokens: from this it takes what it keeps free
# for an answer (8,000 to 20,000 by model) and 13,000 for the summary.
_WINDOW = 171_000
# What the agent itself is configured with: no tool has any business with it.
_OWN_SECRETS = (
    "AIWM_AGENT_SECRET",
    "DISCORD_TOKEN",
    "TELEGRAM_BOT_TOKEN",
    "OPENAI_API_KEY",
    "GROQ_API_KEY",
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
)


def check(mind: Mind) -> None:
    """Hold a mind to what Claude Code can do. Raises SettingError."""
    if mind.permission_mode not in MODES:
        raise SettingError(
            f"the permission mode {mind.permission_mode!r} is not known",
            why=f"known are {', '.join(MODES)}",
            hint="set CLAUDE_PERMISSION_MODE to one of these",
        )
    model = mind.model
    if model is not None and model.provider != "anthropic":
        raise SettingError(
            f"Claude Code can't ask {model.provider}",
            why="it speaks to Anthropic's models alone",
            hint="give the agent a deployment of Anthropic, or use the multi-provider agent",
        )
    if (model is None or not model.key) and not mind.oauth_token:
        raise SettingError(
            "there is no key for Claude",
            why="neither a deployment, nor ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN is set",
            hint="give the agent a deployment in the controller, or set one of them",
        )


def model_name(mind: Mind) -> str:
    """Say which model answers."""
    return mind.model.name if mind.model and mind.model.name else DEFAULT_MODEL


def permission_mode(mind: Mind, *, root: bool, sandbox: bool) -> str:
    """Say which mode is used: Claude Code refuses to bypass permissions as root outside a sandbox.

    `dontAsk` uses the allowed tools and no others, and has nobody to ask either.
    """
    if mind.permission_mode == "bypassPermissions" and root and not sandbox:
        return "dontAsk"
    return mind.permission_mode


def builtin_tools(allowed: Iterable[str]) -> list[str]:
    """Give the tools of Claude Code's own among the allowed, each under all of its names."""
    named: dict[str, None] = {}
    for name in allowed:
        if not name.startswith("mcp__"):
            named.update(dict.fromkeys((name, *_ALSO.get(name, ()))))
    return list(named)


def rules(allowed: Iterable[str], servers: Iterable[McpServer]) -> list[str]:
    """Give the names under which Claude Code knows what is allowed.

    A tool of a server may be allowed by its own name, which Claude Code puts the server's before.
    """
    allowed = tuple(allowed)
    over_mcp = [f"mcp__{s.name}__{name}" for s in servers for name in allowed if _is_plain(name)]
    given = [name for name in allowed if name.startswith("mcp__")]
    return [*builtin_tools(allowed), *given, *over_mcp]


def _is_plain(name: str) -> bool:
    return not name.startswith("mcp__")


def may_use(tool: str, known: Iterable[str]) -> bool:
    """Tell whether a rule allows a tool; `mcp__server` allows all of a server's."""
    return any(tool == rule or _is_of(tool, rule) for rule in known)


def _is_of(tool: str, rule: str) -> bool:
    return rule.startswith("mcp__") and rule.count("__") == 1 and tool.startswith(f"{rule}__")


def mcp_config(servers: Iterable[McpServer]) -> bytes:
    """Write the servers as Claude Code reads them, with the tokens in it."""
    entries = {
        server.name: {
            "type": "http",
            "url": server.url,
            "headers": {name: value.value for name, value in server.headers.items()},
        }
        for server in servers
    }
    return json.dumps({"mcpServers": entries}).encode()


def environment(mind: Mind, own: Mapping[str, str], config: Path) -> dict[str, str]:
    """Give what is put into the child's environment, over the agent's own.

    An empty value takes away what the agent has: a key for one address must not go to another.
    """
    given = {
        "CLAUDE_CONFIG_DIR": str(config),
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": str(_WINDOW),
        # Nothing but the model's API is spoken to.
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_AUTOUPDATER": "1",
        # What one conversation is told is not for another; and what runs on ends with the answer.
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "CLAUDE_CODE_DISABLE_CRON": "1",
        "CLAUDE_CODE_MAX_RETRIES": own.get("CLAUDE_CODE_MAX_RETRIES", "4"),
        "API_TIMEOUT_MS": own.get("API_TIMEOUT_MS", "300000"),
    }
    given |= {name: "" for name in _OWN_SECRETS if own.get(name)}
    return given | _credentials(mind)


def _credentials(mind: Mind) -> dict[str, str]:
    found = dict.fromkeys(
        ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"), ""
    )
    model = mind.model
    if model and model.key and model.base_url:
        # A proxy takes a token as such; Anthropic's own API takes a key.
        found["ANTHROPIC_BASE_URL"] = model.base_url.rstrip("/").removesuffix("/v1")
        found["ANTHROPIC_AUTH_TOKEN"] = model.key.value
    elif model and model.key:
        found["ANTHROPIC_API_KEY"] = model.key.value
    elif mind.oauth_token:
        found["CLAUDE_CODE_OAUTH_TOKEN"] = mind.oauth_token.value
    return found
