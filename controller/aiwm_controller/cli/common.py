"""What all commands share: where the database is, how faults are told, what is printed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError

from aiwm_controller import install
from aiwm_controller.errors import Fault
from aiwm_controller.passwords import LONGEST
from aiwm_controller.settings import Settings, database_url, from_environment

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def told() -> Iterator[None]:
    """Say a fault in a line or two, and exit by 1."""
    try:
        yield
    except Fault as fault:
        raise click.ClickException(
            f"{fault.message}\n  do:  {fault.hint}" if fault.hint else fault.message
        ) from fault
    except (SQLAlchemyError, OSError) as error:
        raise click.ClickException(f"the database does not answer: {_brief(error)}") from error


def _brief(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"[:300]


def options(command: F) -> F:
    """Give a command --database and --env-file, which every one of them takes."""
    for option in (
        click.option(
            "--database", metavar="URL", help="sqlite:///FILE or postgresql://USER@HOST/DB"
        ),
        click.option(
            "--env-file",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="Read AIWM_... variables from this file; it is the place for secrets.",
        ),
    ):
        command = option(command)
    return command


def take_environment(database: str | None, env_file: Path | None) -> Settings:
    """Put options and the file's variables into the environment, where workers find them too."""
    with told():
        if env_file is not None:
            os.environ.update(install.read_env(env_file.read_text("utf-8")))
        if database is not None:
            if database_url(database).password:
                raise click.UsageError(
                    "a password in --database can be read by all users of this machine\n"
                    "  do:  set AIWM_DATABASE_PASSWORD, or AIWM_DATABASE_URL in --env-file"
                )
            os.environ["AIWM_DATABASE_URL"] = database
        return from_environment()


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run what waits for the database."""
    with told():
        return asyncio.run(_awaited(work))


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def read_password(from_stdin: bool) -> str | None:
    """Read a password from standard input or a person; none where there is neither."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        return None
    if not 10 <= len(password.encode()) <= LONGEST:
        raise click.UsageError(f"a password has 10 to {LONGEST} bytes")
    return password


def print_made(made: dict[str, Any], as_json: bool, bare: str) -> None:
    """Print what was made: as JSON, or only what a script needs."""
    click.echo(json.dumps(made, indent=2) if as_json else bare)
