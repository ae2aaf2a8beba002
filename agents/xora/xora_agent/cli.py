"""`xora-cc-agent` and `xora-vercel-agent`: the only place that prints or exits."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xora_agent import __version__, release
from xora_agent.agent import INSTRUCTION, MCP_FILE, Agent, Parts, Place
from xora_agent.brain import Brain
from xora_agent.configuration import Kind, Sources, wanted
from xora_agent.environment import Environment, read_text
from xora_agent.errors import SettingError, XoraError
from xora_agent.guard import end as finish
from xora_agent.logs import configure, log, told
from xora_agent.own import own
from xora_agent.platform import Access, Platform
from xora_agent.platforms import Maker

# What libraries read by themselves, from the process's environment alone.
_LIBRARIES = ("SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


def claude_code(arguments: Sequence[str] | None = None) -> None:
    """Run the agent whose brain is Claude Code."""
    main(Kind.CLAUDE_CODE, _claude_code, arguments)


def multi_provider(arguments: Sequence[str] | None = None) -> None:
    """Run the agent whose brain asks models of several providers."""
    main(Kind.MULTI_PROVIDER, _multi_provider, arguments)


def main(
    kind: Kind,
    brain: Callable[[Path], Brain],
    arguments: Sequence[str] | None = None,
    makers: Callable[[], dict[str, Maker]] | None = None,
) -> None:
    """Run an agent of `kind` in the folder that it is started in, and exit."""
    options = _parser(kind).parse_args(arguments)
    home = Path.cwd()
    environment = Environment(dict(os.environ), options.env_file)
    try:
        if options.check:
            sys.exit(_checked(kind, environment, home))
        code = _served(kind, brain, makers or _platforms, environment, home)
    except XoraError as error:
        print(_sentences(kind.value, error), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    sys.exit(code)


def _parser(kind: Kind) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=kind.value,
        description="An AI agent of AIWM, on Discord and Telegram. Settings come from the "
        "controller, the environment and .env; docs/xora-agent.md has all of them.",
        epilog=f"examples:\n  {kind.value}\n  {kind.value} --env-file /etc/agent.env\n"
        f"  {kind.value} --check        says what it would do, and does nothing\n\n"
        "signals: SIGHUP reloads the configuration, SIGTERM and SIGINT end it in good order,\n"
        "a second one at once.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--env-file", type=Path, default=Path(".env"), metavar="FILE", help="default: .env"
    )
    parser.add_argument("--check", action="store_true", help="say what it would do, and exit")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _checked(kind: Kind, environment: Environment, home: Path) -> int:
    env = environment.read()
    mine = own(env)
    mcp_file = read_text(home / env.get("MCP_CONFIG_FILE", MCP_FILE))
    instruction = read_text(home / INSTRUCTION)
    local = wanted(
        Sources(kind, env, mine.name, mine.allow_http, instruction=instruction, mcp_file=mcp_file)
    )
    account, model = mine.account, local.mind.model
    platforms = ", ".join(
        f"{name} ({len(access.allowed)} rooms)" for name, access in local.platforms.items()
    )
    lines = {
        "agent": f"{local.name} ({kind.value})",
        "version": release.running_version(mine.release_version, home),
        "variables": environment.trouble or "read",
        "controller": f"{account.base_url}, agent {account.agent_id}" if account else "none",
        "secret": str(account.secret) if account else "none",
        "instruction": INSTRUCTION if instruction is not None else "the default",
        "model": f"{model.provider}/{model.name}" if model else "the default, or none",
        "tools": ", ".join(local.mind.allowed_tools) or "none",
        "mcp servers": ", ".join(server.name for server in local.mind.mcp_servers) or "none",
        "platforms": platforms or "none",
        "health": f"http://{mine.health_host}:{mine.health_port}/health",
        "log": f"{mine.log_file or 'standard error only'}, {mine.log_level}",
    }
    if account:
        print("What the controller says goes before what follows.")  # noqa: T201
    for name, value in lines.items():
        print(f"{name + ':':13} {value}")  # noqa: T201
    for problem in local.problems:
        print(f"problem:      {problem}")  # noqa: T201
    return 1 if local.problems else 0


def _served(
    kind: Kind,
    brain: Callable[[Path], Brain],
    makers: Callable[[], dict[str, Maker]],
    environment: Environment,
    home: Path,
) -> int:
    env = environment.read()
    mine = own(env)
    for name in _LIBRARIES:
        if name in env:
            os.environ.setdefault(name, env[name])
    scrubber = configure(mine.log_level, mine.log_file)
    place = Place(home, environment, scrubber)
    return asyncio.run(_lived(lambda: Agent(Parts(kind, brain(home), makers()), place)))


async def _lived(make: Callable[[], Agent]) -> int:
    """Let an agent live until a signal; gives the exit code."""
    loop = asyncio.get_running_loop()
    stopped, ended = asyncio.Event(), list[signal.Signals]()
    agent = make()
    tasks: set[asyncio.Task[None]] = set()

    def end(number: signal.Signals) -> None:
        if stopped.is_set():
            os._exit(128 + number)
        log.info("ending", signal=number.name)
        ended.append(number)
        stopped.set()

    def reload() -> None:
        log.info("reloading", signal="SIGHUP")
        task = loop.create_task(_reloaded(agent))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    loop.add_signal_handler(signal.SIGHUP, reload)
    await agent.start()
    running = loop.create_task(agent.run())
    running.add_done_callback(lambda _: stopped.set())
    await stopped.wait()
    failed = not ended
    if failed:
        log.critical("ended by itself", fault=repr(running.exception())[:500])
    await finish(running, *tasks)
    await agent.close("error" if failed else "shutdown")
    return 1 if failed else 0


async def _reloaded(agent: Agent) -> None:
    try:
        await agent.reload()
    except XoraError as error:
        log.error("not reloaded", **told(error))


def _sentences(program: str, error: XoraError) -> str:
    lines = [f"{program}: {error.message}"]
    lines += [f"  why: {error.why}"] if error.why else []
    lines += [f"  do:  {error.hint}"] if error.hint else []
    return "\n".join(lines)


def _claude_code(home: Path) -> Brain:
    brain: Brain = _taken("claude_code.brain", "ClaudeCode")(_workspace(home), _state(home))
    return brain


def _multi_provider(home: Path) -> Brain:
    brain: Brain = _taken("multi_provider.brain", "MultiProvider")(_state(home))
    return brain


def _platforms() -> dict[str, Maker]:
    def discord(access: Access) -> Platform:
        platform: Platform = _taken("discord_platform", "Discord")(access)
        return platform

    def telegram(access: Access) -> Platform:
        platform: Platform = _taken("telegram_platform", "Telegram")(access)
        return platform

    return {"discord": discord, "telegram": telegram}


def _taken(module: str, name: str) -> Any:
    """Import what only one of the agents, or one with a certain setting, needs: it takes long."""
    try:
        return getattr(importlib.import_module(f"xora_agent.{module}"), name)
    except ImportError as error:
        raise SettingError(
            f"a library is missing: {error.name}",
            hint="install xora-agent[cc] for Claude Code, xora-agent[vercel] for other models",
        ) from error


def _workspace(home: Path) -> Path:
    folder = home / "workspace"
    folder.mkdir(mode=0o750, exist_ok=True)
    return folder


def _state(home: Path) -> Path:
    folder = _workspace(home) / ".state"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
