"""The `toolkit` command: one file a group of commands."""

from __future__ import annotations

import click

from toolkit import __version__
from toolkit.cli.commands import ALL, Commands
from toolkit.cli.output import Group


@click.group(
    cls=Group, commands=Commands(ALL), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="toolkit")
@click.option("--debug", is_flag=True, help="Show the traceback of an error too.")
def main(debug: bool) -> None:
    """Take an agent from its source tree to a proven-running service on a fleet.

    \b
    Examples:
      toolkit init                            describe the agent in this folder
      toolkit release glances                 build its tarball
      toolkit upload glances --to local       publish it
      toolkit render install-script glances   print the script that installs it
      toolkit verify glances --host local     prove that it runs
    """
    del debug  # read by Group, which prints the errors
