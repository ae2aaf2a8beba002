"""What all commands share: where the database is, how faults are told, what is printed."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError

from aiwm_controller import install
from aiwm_controller.errors import Fault, SetupError
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


@contextmanager
def _asking(settings: Settings) -> Iterator[None]:
    """Raise SetupError where the database can't be used."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        file = settings.database.get_backend_name() == "sqlite" and settings.database.database
        if file:
            raise SetupError(
                f"the database {file} can't be used: {_brief(error)}",
                hint="this user must be able to write it, and into its folder, which must have "
                "room; or name another by --database",
            ) from error
        raise SetupError(
            f"the database does not answer: {_brief(error)}",
            hint="check the address, that PostgreSQL runs there, the user's name, and "
            "AIWM_DATABASE_PASSWORD",
        ) from error


def _brief(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    said = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
    return (said.splitlines() or [type(cause).__name__])[0][:300]


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


def take_environment(
    database: str | None, env_file: Path | None, given: Mapping[str, str | None] | None = None
) -> Settings:
    """Put the file's variables into the environment, where workers find them, and options over it.

    Options are `database` and those that `given` has under the names of variables.
    """
    with told():
        if env_file is not None:
            os.environ.update(_variables(env_file))
        said = {name: value for name, value in (given or {}).items() if value is not None}
        os.environ.update(said)
        if database is not None:
            if database_url(database).password:
                raise click.UsageError(
                    "a password in --database can be read by all users of this machine\n"
                    "  do:  set AIWM_DATABASE_PASSWORD, or AIWM_DATABASE_URL in --env-file"
                )
            os.environ["AIWM_DATABASE_URL"] = database
        return from_environment()


def _variables(file: Path) -> dict[str, str]:
    """Read a file of variables; raises SetupError, and shows none of it: secrets are in it."""
    try:
        mode = file.stat().st_mode
        text = file.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise SetupError(f"{file} can't be read: {why}") from error
    if stat.S_ISREG(mode) and mode & 0o007:
        raise SetupError(
            f"others on this machine can read {file}, which is for secrets",
            hint=f"chmod o= {file}",
        )
    line = install.unread_line(text)
    if line or "\0" in text:
        raise SetupError(
            f"line {line} of {file} sets no variable" if line else f"{file} is no text",
            hint="write NAME=VALUE, with quotes around a value that has spaces; # begins a comment",
        )
    return install.read_env(text)


def run(settings: Settings, work: Callable[[], Awaitable[T]]) -> T:
    """Run what waits for the database of `settings`."""
    with told(), _asking(settings):
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
    try:
        size = len(password.encode())
    except UnicodeError as error:
        raise click.UsageError("the password is no UTF-8 text") from error
    if not 10 <= size <= LONGEST:
        raise click.UsageError(
            f"a password has 10 to {LONGEST} bytes, and this one has {size}\n"
            "  do:  choose another one"
        )
    return password


def print_made(made: dict[str, Any], as_json: bool, bare: str) -> None:
    """Print what was made: as JSON, or only what a script needs."""
    click.echo(json.dumps(made, indent=2) if as_json else bare)
