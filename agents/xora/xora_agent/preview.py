"""What `--check` says: what the agent would do, out of its variables and local files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xora_agent import release
from xora_agent.agent import INSTRUCTION, MCP_FILE
from xora_agent.claude_code import launch
from xora_agent.configuration import Kind, Sources, Wanted, wanted
from xora_agent.environment import Environment, read_text
from xora_agent.errors import FileError, SettingError, XoraError
from xora_agent.multi_provider import providers
from xora_agent.own import Own, own


@dataclass(frozen=True)
class Preview:
    """Lines under their names, and what would be left out or would not work."""

    lines: Mapping[str, str]
    problems: tuple[str, ...]
    has_controller: bool


def preview(kind: Kind, environment: Environment, home: Path) -> Preview:
    """Look at everything, change nothing; raises XoraError where the agent would not start."""
    env = environment.read()
    mine = own(env)
    problems = [environment.trouble] if environment.trouble else []
    instruction = _local(home / INSTRUCTION, problems)
    mcp_name = env.get("MCP_CONFIG_FILE", MCP_FILE)
    mcp_file = _local(home / mcp_name, problems) if mcp_name else None
    if mcp_name not in ("", MCP_FILE) and not (home / mcp_name).exists():
        problems.append(f"there is no {mcp_name}, which MCP_CONFIG_FILE names")
    local = wanted(
        Sources(kind, env, mine.name, mine.allow_http, instruction=instruction, mcp_file=mcp_file)
    )
    problems += local.problems
    if mine.account is None:
        problems += _of_brain(kind, local)
    lines = _lines(kind, mine, local) | {
        "version": release.running_version(mine.release_version, home),
        "variables": environment.trouble or "read",
        "instruction": INSTRUCTION if instruction is not None else "the default",
    }
    return Preview(lines, tuple(problems), mine.account is not None)


def _local(file: Path, problems: list[str]) -> str | None:
    """Read a file that an agent leaves out where it can't be read."""
    try:
        return read_text(file)
    except FileError as error:
        problems.append(_sentence(error))
        return None


def _of_brain(kind: Kind, local: Wanted) -> list[str]:
    """Say why nobody would be answered; where there is a controller, that brings the model."""
    try:
        if kind is Kind.CLAUDE_CODE:
            launch.check(local.mind)
        else:
            providers.check(local.mind.model)
    except SettingError as error:
        return [_sentence(error)]
    return []


def _sentence(error: XoraError) -> str:
    return f"{error.message}: {error.why}" if error.why else error.message


def _lines(kind: Kind, mine: Own, local: Wanted) -> dict[str, str]:
    account, model = mine.account, local.mind.model
    platforms = ", ".join(
        f"{name} ({len(access.allowed)} rooms)" for name, access in local.platforms.items()
    )
    # In this order they are shown; what is empty here is filled in by who knows it.
    return {
        "agent": f"{local.name} ({kind.value})",
        "version": "",
        "variables": "",
        "controller": f"{account.base_url}, agent {account.agent_id}" if account else "none",
        "secret": str(account.secret) if account else "none",
        "instruction": "",
        "model": f"{model.provider}/{model.name}" if model else "none",
        "tools": ", ".join(local.mind.allowed_tools) or "none",
        "mcp servers": ", ".join(server.name for server in local.mind.mcp_servers) or "none",
        "platforms": platforms or "none",
        "health": f"http://{mine.health_host}:{mine.health_port}/health",
        "log": f"{mine.log_file or 'standard error only'}, {mine.log_level}",
    }
