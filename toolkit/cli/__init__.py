"""The `toolkit` command: one file a group of commands."""

from __future__ import annotations

from collections.abc import MutableMapping
from importlib import import_module
from importlib.util import find_spec

import click

from toolkit import __version__
from toolkit.cli.output import Group


class _Commands(Group):
    """Imports the command that is called and no other: all of them together take long."""

    _known: MutableMapping[str, click.Command]
    _whole = False

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command in the module of its name, else among all of them."""
        module = f"{__name__}.{cmd_name}"
        if cmd_name.isidentifier() and find_spec(module) is not None:
            command = getattr(import_module(module), cmd_name, None)
            if isinstance(command, click.Command):
                return command
        return super().get_command(ctx, cmd_name)

    @property
    def commands(self) -> MutableMapping[str, click.Command]:
        """Every command, in the order of the story that they tell."""
        if not self._whole:
            self._whole = True
            for command in import_module(f"{__name__}.commands").ALL:
                self.add_command(command)
        return self._known

    @commands.setter
    def commands(self, known: MutableMapping[str, click.Command]) -> None:
        self._known = known


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
