"""`toolkit releases`, `history`: what is released, and how it came to that."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit.cli import options
from toolkit.cli.output import print_json
from toolkit.cli.trusted import Desk, reading, warn

if TYPE_CHECKING:
    from toolkit.keyring import Keyring
    from toolkit.trust.catalog import Catalog
    from toolkit.trust.model import Repository


@click.command()
@click.argument("name")
@click.option(
    "--channel", metavar="CHANNEL", callback=options.known_channel, help="Only this channel."
)
@options.as_json
@reading
def history(desk: Desk, *, name: str, channel: str | None, as_json: bool) -> None:
    """Show how the channels of the agent NAME were moved, the newest move last.

    \b
    Examples:
      toolkit history glances
      toolkit history glances --channel stable --json
    """
    from toolkit import repository

    at, ring = desk.at, desk.ring
    catalog = repository.catalog_of(repository.require(at.store, ring.trusted_root()), name)
    moves = [one for one in catalog.moves if channel is None or one.channel == channel]
    if as_json:
        print_json({"name": name, "moves": [asdict(one) for one in moves]})
        return
    for one in moves:
        part = f" {one.percent} %" if one.percent and one.percent < 100 else ""
        where = f" in {one.channel}" if one.channel else ""
        why = f": {one.reason}" if one.reason else ""
        click.echo(f"{one.time}  {one.action:<8}  {one.version or 'nothing'}{part}{where}{why}")


@click.command()
@click.argument("name", required=False)
@options.as_json
@reading
def releases(desk: Desk, *, name: str | None, as_json: bool) -> None:
    """Show what is released, in which channels, and what metadata expires soon.

    \b
    Examples:
      toolkit releases
      toolkit releases glances --to production --json
    """
    from toolkit import repository
    from toolkit.trust.model import ENGINE

    at, ring = desk.at, desk.ring
    current = repository.require(at.store, ring.trusted_root())
    names = [name] if name else sorted(set(current.roles) - {ENGINE})
    rows = [row for each in names for row in _rows(repository.catalog_of(current, each))]
    warnings = _warnings(current, ring, at.now)
    if as_json:
        print_json({"releases": rows, "warnings": warnings})
        return
    _print_table(rows)
    warn(warnings)


def _rows(catalog: Catalog) -> list[dict[str, Any]]:
    rows = []
    for version in reversed(catalog.versions):
        files = [one for one in catalog.of(version) if one.target.kind == "release"]
        within = {
            name: rollout.percent for one in files for name, rollout in one.target.channels.items()
        }
        platforms = sorted({one.target.platform or "all" for one in files})
        facts = {"name": catalog.agent, "version": version, "platforms": platforms}
        rows.append({**facts, "channels": within, "yanked": catalog.yanked(version)})
    return rows


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table("release", "platforms", "channels", "")
    for row in rows:
        within = ", ".join(
            name if percent == 100 else f"{name} {percent} %"
            for name, percent in sorted(row["channels"].items())
        )
        yanked = f"yanked: {row['yanked']}" if row["yanked"] is not None else ""
        cells = (f"{row['name']} {row['version']}", ", ".join(row["platforms"]), within, yanked)
        # As Text: a reason in brackets is no markup.
        table.add_row(*map(Text, cells))
    Console().print(table if rows else "nothing is released")


def _warnings(repository: Repository, ring: Keyring, now: datetime) -> tuple[str, ...]:
    from toolkit.trust.expiry import due

    near = (one for one in due(repository, ring.lifetimes, now) if one.near)
    return tuple(f"{one}: toolkit refresh {one.role}" for one in near)
