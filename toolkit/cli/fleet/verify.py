"""`toolkit fleet verify`: the host contract over all hosts."""

from __future__ import annotations

import click

from toolkit.cli.fleet.options import agent, on_fleet
from toolkit.fleet.asking import Fleet


@click.command()
@agent
@on_fleet
def verify(fleet: Fleet, *, name: str | None) -> None:
    """Prove."""
