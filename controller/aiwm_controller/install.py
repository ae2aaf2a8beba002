"""Renders install scripts and .env snippets, by toolkit's renderer and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from aiwm_controller.errors import Conflict
from toolkit.config import parse_agent
from toolkit.errors import ToolkitError
from toolkit.host.envfile import quote
from toolkit.host.errors import UsageError
from toolkit.install_script import Choices, render_for
from toolkit.resources import data_folder
from toolkit.spec import AgentSpec

SECRET = "AIWM_AGENT_SECRET"  # noqa: S105 - the name of a variable


@dataclass(frozen=True)
class Order:
    """One script: for which release, from where, and for whom; without a secret it asks for one."""

    release: str
    store: str
    channel: str
    base_url: str
    agent_id: str
    agent_name: str
    generated: datetime
    secret: str = field(default="", repr=False)


class Installer:
    """Knows the releases in a folder: NAME.toml each, and `root.json` or a folder `dist`."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder or data_folder("release")

    async def script(self, order: Order) -> str:
        """Render a script in a thread; raises Conflict where the release is not known here."""
        return await asyncio.to_thread(self._script, order)

    def _script(self, order: Order) -> str:
        try:
            return render_for(self._spec(order.release), self._dist, self.choices(order)).text
        except ToolkitError as error:
            raise Conflict(
                f"no install script can be made for {order.release}: {error.message}",
                hint=self._mend(error),
            ) from error

    def _mend(self, error: ToolkitError) -> str:
        if not (self._folder / "root.json").is_file():
            return "put the store's root.json into the folder that AIWM_RELEASES names"
        return f"{error.why}; {error.hint}".strip("; ")

    @property
    def _dist(self) -> Path:
        return self._folder / "dist"

    def _spec(self, name: str) -> AgentSpec:
        places = (self._folder, data_folder("release"))
        files = [place / f"{name}.toml" for place in places]
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            raise Conflict(
                f"this controller has no release {name}",
                hint=f"put {name}.toml and the store's root.json into the folder that "
                "AIWM_RELEASES names",
            )
        return parse_agent(file.read_text("utf-8"), file=file.name)

    def choices(self, order: Order) -> Choices:
        """Give what the renderer is asked for: a channel where a root says whom to trust."""
        file = self._folder / "root.json"
        root = file.read_bytes() if file.is_file() else None
        return Choices(
            url=order.store,
            settings=script_settings(order),
            label=order.agent_name,
            generated=order.generated.isoformat(timespec="seconds"),
            root=root,
            channel=order.channel if root is not None else "",
        )


def script_settings(order: Order) -> dict[str, str]:
    """Give the variables that the documents' install script writes into .env."""
    settings = {
        "AIWM_ENABLED": "true",
        "AIWM_BASE_URL": order.base_url,
        "AIWM_AGENT_ID": order.agent_id,
        "LOG_LEVEL": "info",
        "LOG_FILE": "./logs/agent.log",
    }
    return settings | ({SECRET: order.secret} if order.secret else {})


def no_script(message: str, hint: str) -> str:
    """Give a script that does nothing but say why there is none, and fails."""
    lines = [f"error: {message}", f"  do:  {hint}"]
    words = " ".join("'" + line.replace("'", "'\\''").replace("\n", " ") + "'" for line in lines)
    return f"#!/bin/sh\nprintf '%s\\n' {words} >&2\nexit 1\n"


def env_config(order: Order, settings: Mapping[str, Any]) -> str:
    """Give the .env snippet of an agent; what no .env file can hold is named in a comment."""
    blocks = {
        "AIWM Integration": {
            "AIWM_ENABLED": "true",
            "AIWM_BASE_URL": order.base_url,
            "AIWM_AGENT_ID": order.agent_id,
            SECRET: order.secret,
        },
        "Agent": {"AGENT_NAME": order.agent_name},
        "Claude Code SDK": {
            "CLAUDE_MODEL": settings.get("claude_model", "claude-3-5-haiku-latest"),
            "CLAUDE_MAX_TURNS": settings.get("claude_maxTurns", 100),
            "CLAUDE_PERMISSION_MODE": settings.get("claude_permissionMode", "bypassPermissions"),
            "CLAUDE_RESUME": settings.get("claude_resume", True),
            "CLAUDE_CODE_OAUTH_TOKEN": settings.get("claude_oauthToken"),
        },
        "Platforms": {
            "DISCORD_TOKEN": settings.get("discord_token"),
            "DISCORD_CHANNEL_ID": settings.get("discord_channelIds"),
            "DISCORD_BOT_ID": settings.get("discord_botId"),
            "TELEGRAM_BOT_TOKEN": settings.get("telegram_token"),
            "TELEGRAM_GROUP_ID": settings.get("telegram_groupIds"),
            "TELEGRAM_BOT_USERNAME": settings.get("telegram_botUsername"),
        },
    }
    texts = []
    for title, values in blocks.items():
        given = {name: value for name, value in values.items() if value not in (None, "", [])}
        lines = [_line(name, value) for name, value in given.items()]
        if lines:
            texts.append("\n".join([f"# ===== {title} =====", *lines, ""]))
    return "\n".join(texts)


def _line(name: str, value: Any) -> str:
    try:
        return f"{name}={quote(name, _text(value))}"
    except UsageError as error:
        return f"# {error.message}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(_text(each) for each in value) if isinstance(value, list) else str(value)
