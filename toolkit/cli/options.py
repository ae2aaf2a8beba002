"""Options that several commands take, each written once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.resources import agent_file

if TYPE_CHECKING:
    from toolkit.spec import AgentSpec

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
project = click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    show_default="this folder",
    help="The folder that holds release/ and toolkit.toml.",
)
# Where a release, and what hosts trust of it, come from.
store = click.option(
    "--store", help="A store of toolkit.toml, or a URL.  [default: the default store]"
)
dist = click.option(
    "--from",
    "dist",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the built release is.  [default: release/dist]",
)
root = click.option(
    "--root",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The store's root metadata, which hosts then trust.  [default: keys/root.json, where"
    " toolkit.toml has [trust]]",
)
channel = click.option("--channel", default="", help="Install what this channel has; needs a root.")


def known_channel(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Give the name of a channel, or say what one looks like."""
    from toolkit.spec import NAME

    del context, parameter
    if value is not None and not re.match(NAME, value):
        raise click.BadParameter("lower-case letters, digits and hyphens, as in stable")
    return value


def load_agent(name: str, project: Path) -> AgentSpec:
    """Read release/NAME.toml of `project`, or the example of that name."""
    from toolkit.config import parse_agent

    file = agent_file(name, project)
    return parse_agent(file.read_text(encoding="utf-8"), file=str(file))
