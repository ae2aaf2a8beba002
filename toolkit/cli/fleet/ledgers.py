"""`toolkit fleet resume` and `toolkit fleet rollouts`: what the ledgers know."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit import ledger
from toolkit.cli import options
from toolkit.cli.fleet.driving import conclude, drive, now
from toolkit.cli.fleet.options import sudo_password
from toolkit.cli.fleet.view import final, showing
from toolkit.cli.output import print_json
from toolkit.errors import LedgerError
from toolkit.fleet.account import Account, account
from toolkit.fleet.account import as_json as told_json
from toolkit.fleet.rollout import Desk
from toolkit.fleet.rollout import resume as resume_it

_COLOURS = {"finished": "green", "running": "yellow", "stopped": "red", "cut off": "red"}

ledger_folder = click.option(
    "--ledger",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=lambda: ledger.default_folder(os.environ, Path.home()),
    show_default="~/.local/state/aiwm-toolkit/rollouts",
    help="Where the accounts of rollouts are kept.",
)


@click.command()
@click.argument("rollout", metavar="ID")
@click.option("--again", is_flag=True, help="Try hosts once more on which the version failed.")
@click.option("-K", "--ask-become-password", "asks", is_flag=True, help="Ask for sudo's password.")
@ledger_folder
@options.as_json
def resume(rollout: str, *, again: bool, asks: bool, folder: Path, as_json: bool) -> None:
    """Go on with a rollout that stopped, was interrupted or was killed.

    It looks at every host first: who has the version is left as is, who is still at work is waited
    for, and who was lost is tried anew. All is as it was said when the rollout was begun.

    \b
    Examples:
      toolkit fleet resume glances-20261121-052743
      toolkit fleet resume glances-20261121-052743 --again
    """
    title = f"resume {rollout}"
    with showing(title, as_json=as_json) as watch:
        desk = Desk(folder, now, watch)
        with resume_it(rollout, desk, sudo_password(asks=asks), again=again) as begun:
            drive(begun)
    conclude(folder, rollout, machine=as_json)


@click.command()
@click.argument("rollout", metavar="[ID]", required=False)
@ledger_folder
@options.as_json
def rollouts(rollout: str | None, *, folder: Path, as_json: bool) -> None:
    """List past and present rollouts, or tell of one what became of each host.

    \b
    Examples:
      toolkit fleet rollouts
      toolkit fleet rollouts glances-20261121-052743
      toolkit fleet rollouts --json | jq '.[] | select(.outcome == "stopped")'
    """
    if rollout is not None:
        told = _account(folder, rollout)
        print_json(told_json(told)) if as_json else _one(told)
        return
    found: list[Account] = []
    for each in ledger.rollouts(folder) if folder.is_dir() else []:
        try:
            found.append(_account(folder, each))
        except LedgerError as error:
            click.echo(f"{error.message}: {error.why}", err=True)
    if as_json:
        print_json([told_json(told) for told in found])
    elif found:
        _list(found)
    else:
        click.echo(f"no rollout is known in {folder}")


def _account(folder: Path, rollout: str) -> Account:
    driven = ledger.is_held(folder, rollout)
    return account(ledger.read(folder, rollout), driven=driven)


def _one(told: Account) -> None:
    planned = told.planned
    click.echo(f"{planned.verb} {planned.name} to {planned.target}, begun {told.began}")
    if told.why and told.outcome == "stopped":
        click.echo(f"stopped: {told.why}")
    final(told)
    if told.outcome in ("stopped", "cut off"):
        click.echo(f"go on with: toolkit fleet resume {planned.id}")


def _list(found: list[Account]) -> None:
    table = Table("id", "what", "to", "hosts", "hold it", "lost", "", box=None, header_style="bold")
    for told in found:
        how = told.outcome + (f": {told.why}" if told.outcome == "stopped" else "")
        table.add_row(
            told.planned.id,
            f"{told.planned.verb} {told.planned.name}",
            told.planned.target,
            str(len(told.rows)),
            str(told.count("holds", "had it")),
            str(told.count("lost", "stayed")),
            Text(how, _COLOURS[told.outcome]),
        )
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)
    console.print(table)
