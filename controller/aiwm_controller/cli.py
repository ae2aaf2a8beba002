"""`aiwm-controller`: serve, and set up. The only place that prints or exits."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from aiwm_controller import __version__, claims, install, logs, setup
from aiwm_controller.errors import Fault
from aiwm_controller.passwords import LONGEST
from aiwm_controller.settings import Settings, database_url, from_environment

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_ROLES = ("owner", "editor", "viewer")


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


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Give agents their configuration, keep their heartbeats, and show the fleet.

    \b
    Examples:
      aiwm-controller init --email you@example.com
      aiwm-controller serve --port 3305
    Secrets come from the environment or --env-file, passwords from a prompt or standard input.
    """


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=3305, show_default=True, type=click.IntRange(0, 65535))
@click.option("--uds", metavar="PATH", help="Listen on a Unix socket instead.")
@click.option("--path-prefix", help="Such as /dev/aiwm.")
@click.option("--public-url", help="The address that agents and people use, with the prefix.")
@click.option(
    "--releases",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A folder with NAME.toml of each release, and the store's root.json.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning"]))
@options
def serve(
    *,
    host: str,
    port: int,
    uds: str | None,
    path_prefix: str | None,
    public_url: str | None,
    releases: Path | None,
    workers: int,
    log_level: str,
    database: str | None,
    env_file: Path | None,
) -> None:
    """Serve the API and the fleet page.

    \b
    Example:
      aiwm-controller serve --port 3305 --database sqlite:////var/lib/aiwm/controller.db
    """
    given = {
        "AIWM_PATH_PREFIX": path_prefix,
        "AIWM_PUBLIC_URL": public_url,
        "AIWM_RELEASES": str(releases.resolve()) if releases else None,
        "AIWM_LOG_LEVEL": log_level,
    }
    os.environ.update({name: value for name, value in given.items() if value is not None})
    settings = take_environment(database, env_file)
    if workers > 1 and settings.database.get_backend_name() == "sqlite":
        raise click.UsageError("several workers need PostgreSQL: SQLite has one writer")
    logs.configure(log_level)
    run(lambda: setup.check(settings))
    with ExitStack() as held:
        with told():
            held.enter_context(claims.claimed(settings.database))
            if uds is None:
                claims.check_port(host, port)
        uvicorn.run(
            "aiwm_controller.app:from_the_environment",
            factory=True,
            host=host,
            port=port,
            uds=uds,
            workers=workers,
            loop="uvloop",
            http="httptools",
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,  # the application does that, where it is needed
            timeout_graceful_shutdown=10,
        )


@main.command()
@click.option("--email", required=True, help="The first owner's.")
@click.option("--organization", default="Default", show_default=True, help="Its name.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options
def init(
    *,
    email: str,
    organization: str,
    password_stdin: bool,
    as_json: bool,
    database: str | None,
    env_file: Path | None,
) -> None:
    """Make the schema, an organization and its owner, and print a token of the owner's.

    \b
    Examples:
      aiwm-controller init --email you@example.com
      printf %s "$PASSWORD" | aiwm-controller init --email you@example.com --password-stdin --json
    """
    settings = take_environment(database, env_file)
    password = _password(password_stdin)
    made = run(lambda: setup.init(settings, email, organization, password))
    _print(made, as_json, made["token"])
    if not as_json and password is None:
        click.echo("no password was set; to log in: aiwm-controller user password ...", err=True)


@main.command()
@options
def migrate(*, database: str | None, env_file: Path | None) -> None:
    """Bring the schema of an older database to this version.

    \b
    Example:
      aiwm-controller migrate --database postgresql:///aiwm
    """
    settings = take_environment(database, env_file)
    run(lambda: setup.migrate(settings))
    click.echo("the schema is up to date", err=True)


@main.command()
@options
def seed(*, database: str | None, env_file: Path | None) -> None:
    """Write the configuration keys and their defaults where there are none.

    \b
    Example:
      aiwm-controller seed
    """
    settings = take_environment(database, env_file)
    for org_id, key in run(lambda: setup.seed(settings)):
        click.echo(f"{org_id} {key}")


@main.group()
def user() -> None:
    """Add users and set their passwords.

    \b
    Examples:
      aiwm-controller user add --email ann@example.com --role viewer
      aiwm-controller user password --email ann@example.com
    """


@user.command("add")
@click.option("--email", required=True)
@click.option("--role", type=click.Choice(_ROLES), default="viewer", show_default=True)
@click.option("--organization", help="Its id; needed where there are several.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options
def user_add(
    *,
    email: str,
    role: str,
    organization: str | None,
    password_stdin: bool,
    as_json: bool,
    database: str | None,
    env_file: Path | None,
) -> None:
    """Add a user to an organization.

    \b
    Example:
      aiwm-controller user add --email ann@example.com --role editor
    """
    settings = take_environment(database, env_file)
    password = _password(password_stdin)
    made = run(lambda: setup.add_user(settings, email, role, organization, password))
    _print(made, as_json, made["id"])


@user.command("password")
@click.option("--email", required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@options
def user_password(
    *, email: str, password_stdin: bool, database: str | None, env_file: Path | None
) -> None:
    """Set a user's password; all tokens of the user stop to work.

    \b
    Example:
      aiwm-controller user password --email ann@example.com
    """
    settings = take_environment(database, env_file)
    password = _password(password_stdin)
    if password is None:
        raise click.UsageError("no password: this is no terminal; use --password-stdin")
    run(lambda: setup.set_password(settings, email, password))
    click.echo("the password was set", err=True)


@main.command()
@click.option("--email", required=True, help="Whose token.")
@click.option("--hours", default=24, show_default=True, type=click.IntRange(1, 8760))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options
def token(
    *, email: str, hours: int, as_json: bool, database: str | None, env_file: Path | None
) -> None:
    """Print a token of a user's, for scripts.

    \b
    Example:
      aiwm-controller token --email you@example.com --hours 8
    """
    settings = take_environment(database, env_file)
    made = run(lambda: setup.token(settings, email, hours))
    _print(made, as_json, made["token"])


def _password(from_stdin: bool) -> str | None:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        return None
    if not 10 <= len(password.encode()) <= LONGEST:
        raise click.UsageError(f"a password has 10 to {LONGEST} bytes")
    return password


def _print(made: dict[str, Any], as_json: bool, bare: str) -> None:
    click.echo(json.dumps(made, indent=2) if as_json else bare)
