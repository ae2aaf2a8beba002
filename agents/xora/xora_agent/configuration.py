"""What the agent is to be: the controller's answer over the environment over defaults.

Pure functions; each setting is looked for flat, nested, in the environment, then as a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from xora_agent import mcp
from xora_agent.brain import McpServer, Mind, Model
from xora_agent.errors import SettingError
from xora_agent.own import require_safe
from xora_agent.platform import Access
from xora_agent.secret import Secret
from xora_agent.values import Setting, boolean, names, number, text, whole, word
from xora_agent.wire import Configuration, Deployment, Tool

BUILT_IN = (
    "Bash",
    "Read",
    "Write",
    "Edit",
    "Glob",
    "Grep",
    "WebSearch",
    "WebFetch",
    "TodoWrite",
    "Task",
    "AskUserQuestion",
)
_MODEL = "claude-3-5-haiku-latest"
_KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "groq": "GROQ_API_KEY",
    "openai": "OPENAI_API_KEY",
}


class Kind(Enum):
    """Which of the two agents this is."""

    CLAUDE_CODE = "xora-cc-agent"
    MULTI_PROVIDER = "xora-vercel-agent"


_CLAUDE_MODEL = Setting("CLAUDE_MODEL", text, _MODEL, "claude_model", ("claudeModel",))
_MAX_TURNS = Setting("CLAUDE_MAX_TURNS", whole, 100, "claude_maxTurns", ("maxTurns",))
_PERMISSION_MODE = Setting(
    "CLAUDE_PERMISSION_MODE",
    word,
    "bypassPermissions",
    "claude_permissionMode",
    ("permissionMode",),
)
_RESUME = Setting("CLAUDE_RESUME", boolean, True, "claude_resume", ("resume",))
_OAUTH_TOKEN = Setting(
    "CLAUDE_CODE_OAUTH_TOKEN", text, "", "claude_oauthToken", ("claudeOAuthToken",)
)
_TEMPERATURE: Setting[float | None] = Setting(
    "VERCEL_TEMPERATURE", number, None, "vercel_temperature", ("vercel", "temperature")
)
_MAX_TOKENS: Setting[int | None] = Setting(
    "VERCEL_MAX_TOKENS", whole, None, "vercel_maxTokens", ("vercel", "maxTokens")
)
_TOP_P: Setting[float | None] = Setting(
    "VERCEL_TOP_P", number, None, "vercel_topP", ("vercel", "topP")
)
_PROVIDER = Setting("VERCEL_PROVIDER", text, "", "vercel_provider", ("vercel", "provider"))
_VERCEL_MODEL = Setting("VERCEL_MODEL", text, "", "vercel_model", ("vercel", "model"))
_VERCEL_URL = Setting("VERCEL_BASE_URL", text, "", "vercel_baseUrl", ("vercel", "baseUrl"))
_DISCORD_TOKEN = Setting("DISCORD_TOKEN", text, "", "discord_token", ("discord", "token"))
_DISCORD_CHANNELS: Setting[tuple[str, ...]] = Setting(
    "DISCORD_CHANNEL_ID", names, (), "discord_channelIds", ("discord", "channelIds")
)
_DISCORD_BOT = Setting("DISCORD_BOT_ID", text, "", "discord_botId", ("discord", "botId"))
_DISCORD_API = Setting("DISCORD_API_URL", text, "")
_TELEGRAM_TOKEN = Setting("TELEGRAM_BOT_TOKEN", text, "", "telegram_token", ("telegram", "token"))
_TELEGRAM_GROUPS: Setting[tuple[str, ...]] = Setting(
    "TELEGRAM_GROUP_ID", names, (), "telegram_groupIds", ("telegram", "groupIds")
)
_TELEGRAM_BOT = Setting(
    "TELEGRAM_BOT_USERNAME", text, "", "telegram_botUsername", ("telegram", "botUsername")
)
_TELEGRAM_API = Setting("TELEGRAM_API_URL", text, "")
_ALLOWED_TOOLS: Setting[tuple[str, ...]] = Setting("ALLOWED_TOOLS", names, BUILT_IN)


@dataclass(frozen=True)
class Sources:
    """What a configuration is made of.

    `told` is the controller's answer and `token` the agent's, both None without a controller;
    `instruction` and `mcp_file` are the texts of local files, None where there is none.
    """

    kind: Kind
    env: Mapping[str, str]
    name: str = ""
    allow_http: bool = False
    told: Configuration | None = None
    token: Secret | None = None
    instruction: str | None = None
    mcp_file: str | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Give the controller's settings."""
        return self.told.settings if self.told else {}

    def value(self, setting: Setting[Any]) -> Any:
        """Give the value of a setting; raises SettingError."""
        return setting.value(self.settings, self.env)


@dataclass(frozen=True)
class Wanted:
    """What the agent is to be; `problems` says what was left out, and why."""

    name: str
    mind: Mind
    platforms: Mapping[str, Access] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def wanted(sources: Sources) -> Wanted:
    """Put a configuration together; raises SettingError where a setting can't be used."""
    servers, problems = _servers(sources)
    name = (sources.told.agent.name if sources.told else "") or sources.name or sources.kind.value
    mind = Mind(
        instruction=_instruction(sources, name),
        model=_model(sources),
        allowed_tools=_tools(sources),
        mcp_servers=servers,
        max_turns=sources.value(_MAX_TURNS),
        permission_mode=sources.value(_PERMISSION_MODE),
        resume=sources.value(_RESUME),
        oauth_token=_secret(sources.value(_OAUTH_TOKEN)),
        temperature=sources.value(_TEMPERATURE),
        max_tokens=sources.value(_MAX_TOKENS),
        top_p=sources.value(_TOP_P),
    )
    return Wanted(name, mind, _platforms(sources), problems)


def _instruction(sources: Sources, name: str) -> str:
    prompt = sources.told.prompt if sources.told else None
    if prompt is None:
        prompt = sources.instruction
    return prompt if prompt is not None else f"You are {name}, a helpful assistant."


def _model(sources: Sources) -> Model | None:
    deployment = sources.told.deployment if sources.told else None
    if deployment is not None:
        return _deployed(sources, deployment)
    if sources.kind is Kind.CLAUDE_CODE:
        name = sources.value(_CLAUDE_MODEL)
        return Model("anthropic", name, None, _key(sources, "anthropic")) if name else None
    provider = sources.value(_PROVIDER).lower() or "anthropic"
    name = sources.value(_VERCEL_MODEL)
    if not name and provider == "anthropic" and _key(sources, provider):
        name = sources.value(_CLAUDE_MODEL)
    url = sources.value(_VERCEL_URL)
    if url:
        require_safe(url, "VERCEL_BASE_URL", allow_http=sources.allow_http)
    return Model(provider, name, url or None, _key(sources, provider)) if name else None


def _deployed(sources: Sources, deployment: Deployment) -> Model:
    """Give the model of a deployment: through the controller's proxy, else the provider's own."""
    proxy, direct = deployment.base_api_endpoint, deployment.api_endpoint
    provider = deployment.provider.lower()
    if proxy or direct:
        require_safe(proxy or direct, "the deployment's address", allow_http=sources.allow_http)
    key = sources.token if proxy else _key(sources, provider)
    return Model(provider, deployment.model, proxy or direct or None, key)


def _key(sources: Sources, provider: str) -> Secret | None:
    return _secret(sources.env.get(_KEYS.get(provider, "OPENAI_API_KEY"), "").strip())


def _tools(sources: Sources) -> tuple[str, ...]:
    """Give the names of tools: those of the machine by ALLOWED_TOOLS, others by the controller.

    Built-in tools that the controller names narrow ALLOWED_TOOLS down.
    """
    local: tuple[str, ...] = sources.value(_ALLOWED_TOOLS)
    told = sources.told.tools if sources.told else None
    if told is None:
        return local
    active = [tool for tool in told if tool.status == "active"]
    built_in = _built_in(local, active)
    others = [tool.name for tool in active if tool.type != "builtin"]
    return tuple(dict.fromkeys([*built_in, *others]))


def _built_in(local: tuple[str, ...], active: list[Tool]) -> tuple[str, ...]:
    told = {tool.name for tool in active if tool.type == "builtin"}
    return tuple(name for name in local if name in told) if told else local


def _servers(sources: Sources) -> tuple[tuple[McpServer, ...], tuple[str, ...]]:
    told = sources.told.mcp_servers if sources.told else None
    if told is not None:
        return mcp.of_controller(told, allow_http=sources.allow_http), ()
    if sources.mcp_file is None:
        return (), ()
    try:
        return mcp.of_file(sources.mcp_file, allow_http=sources.allow_http)
    except SettingError as error:
        return (), (f"{error.message}: {error.why}" if error.why else error.message,)


def _platforms(sources: Sources) -> dict[str, Access]:
    """Give what is known of each platform that has a token."""
    found = {
        "discord": Access(
            Secret(sources.value(_DISCORD_TOKEN)),
            frozenset(sources.value(_DISCORD_CHANNELS)),
            sources.value(_DISCORD_BOT),
            sources.value(_DISCORD_API) or None,
        ),
        "telegram": Access(
            Secret(sources.value(_TELEGRAM_TOKEN)),
            frozenset(sources.value(_TELEGRAM_GROUPS)),
            sources.value(_TELEGRAM_BOT),
            sources.value(_TELEGRAM_API) or None,
        ),
    }
    return {name: access for name, access in found.items() if access.token}


def _secret(value: str) -> Secret | None:
    return Secret(value) if value else None
