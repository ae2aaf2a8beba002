"""`init`, `migrate` and `seed`: what is done to a database before it serves."""

from __future__ import annotations

from pathlib import Path

import click

from aiwm_controller.cli.options import options


@click.command()
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
    from aiwm_controller import setup
    from aiwm_controller.cli import common

    settings = common.take_environment(database, env_file)
    password = common.read_password(password_stdin)
    made = common.run(settings, lambda: setup.init(settings, email, organization, password))
    common.print_made(made, as_json, made["token"])
    if not as_json and password is None:
        click.echo("no password was set; to log in: aiwm-controller user password ...", err=True)


@click.command()
@options
def migrate(*, database: str | None, env_file: Path | None) -> None:
    """Bring the schema of an older database to this version.

    \b
    Example:
      aiwm-controller migrate --database postgresql:///aiwm
    """
    from aiwm_controller import setup
    from aiwm_controller.cli import common

    settings = common.take_environment(database, env_file)
    common.run(settings, lambda: setup.migrate(settings))
    click.echo("the schema is up to date", err=True)


@click.command()
@options
def seed(*, database: str | None, env_file: Path | None) -> None:
    """Write the configuration keys and their defaults where there are none.

    \b
    Example:
      aiwm-controller seed
    """
    from aiwm_controller import setup
    from aiwm_controller.cli import common

    settings = common.take_environment(database, env_file)
    for org_id, key in common.run(settings, lambda: setup.seed(settings)):
        click.echo(f"{org_id} {key}")
