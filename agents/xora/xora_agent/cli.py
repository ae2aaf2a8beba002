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

from xora_agent import __version__
from xora_agent.agent import Agent, Parts, Place
from xora_agent.brain import Brain
from xora_agent.claims import claimed
from xora_agent.configuration import Kind
from xora_agent.environment import Environment
from xora_agent.errors import FileError, SettingError, XoraError
from xora_agent.guard import end as finish
from xora_agent.logs import configure, log, told
from xora_agent.own import own
from xora_agent.platform import Access, Platform
from xora_agent.platforms import Maker
from xora_agent.preview import preview

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
    try:
        home = _folder()
        environment = Environment(dict(os.environ), _file(options.env_file))
        if options.check:
            sys.exit(_checked(kind, environment, home))
        code = _served(kind, brain, makers or _platforms, environment, home)
    except XoraError as error:
        print(_sentences(kind.value, error), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    sys.exit(code)


def _folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise FileError(
            "the folder that this was started in is gone", hint="cd to another, and start it there"
        ) from error


def _file(named: Path | None) -> Path:
    """Give the file of variables: one that is named must be there, `.env` need not."""
    if named is not None and not named.exists():
        raise FileError(f"there is no file {named}", hint="see --env-file")
    return named or Path(".env")


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
        "--env-file", type=Path, metavar="FILE", help="default: .env, where there is one"
    )
    parser.add_argument("--check", action="store_true", help="say what it would do, and exit")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _checked(kind: Kind, environment: Environment, home: Path) -> int:
    found = preview(kind, environment, home)
    if found.has_controller:
        print("What the controller says goes before what follows.")  # noqa: T201
    for name, value in found.lines.items():
        print(f"{name + ':':13} {value}")  # noqa: T201
    for problem in found.problems:
        print(f"problem:      {problem}")  # noqa: T201
    return 1 if found.problems else 0


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
    with claimed(_state(home)):
        return _run(kind, brain, makers, place)


def _run(
    kind: Kind,
    brain: Callable[[Path], Brain],
    makers: Callable[[], dict[str, Maker]],
    place: Place,
) -> int:
    home = place.home
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
    # A library of its would read .env by itself, and fail where it can't.
    os.environ.setdefault("FASTMCP_ENV_FILE", os.devnull)
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
    return _made(home / "workspace", 0o750)


def _state(home: Path) -> Path:
    return _made(_workspace(home) / ".state", 0o700)


def _made(folder: Path, mode: int) -> Path:
    try:
        folder.mkdir(mode=mode, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"{folder} can't be made",
            why=error.strerror or "",
            hint="start the agent in a folder that its user can write into",
        ) from error
    return folder
