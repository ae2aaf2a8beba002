"""`aiwm-controller`: serve, and set up. The only place that prints or exits."""

from __future__ import annotations

import click

from aiwm_controller import __version__
from aiwm_controller.cli import database, people
from aiwm_controller.cli.serve import serve


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


for command in (serve, database.init, database.migrate, database.seed, people.user, people.token):
    main.add_command(command)
