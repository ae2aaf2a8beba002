"""`user` and `token`."""

from __future__ import annotations

from pathlib import Path

import click

from aiwm_controller import setup
from aiwm_controller.cli.common import options, print_made, read_password, run, take_environment

_ROLES = ("owner", "editor", "viewer")


@click.group()
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
    password = read_password(password_stdin)
    made = run(settings, lambda: setup.add_user(settings, email, role, organization, password))
    print_made(made, as_json, made["id"])


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
    run(settings, lambda: setup.check_user(settings, email))  # nobody types a password for nothing
    password = read_password(password_stdin)
    if password is None:
        raise click.UsageError("no password: this is no terminal; use --password-stdin")
    run(settings, lambda: setup.set_password(settings, email, password))
    click.echo("the password was set", err=True)


@click.command()
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
    made = run(settings, lambda: setup.token(settings, email, hours))
    print_made(made, as_json, made["token"])
