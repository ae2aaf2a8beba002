"""`--plan`: what a rollout would do, told after looking at the hosts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit.cli.output import print_json
from toolkit.fleet.driver import look_only
from toolkit.fleet.rollout import Request, crew_of, plan_of
from toolkit.hosts import Host
from toolkit.rollout import Stop, decide
from toolkit.rollout_state import State, begin


def show_plan(request: Request, hosts: Sequence[Host], title: str, *, as_json: bool) -> None:
    """Look at the hosts, and print for each its wave and what would become of it."""
    with closing(crew_of(request, hosts)) as crew:
        state = look_only(crew, begin(plan_of(request, hosts)))
    first = decide(state)
    why = first.why if isinstance(first, Stop) else ""
    if as_json:
        rows = [_row(state, host, number) for number, host in _numbered(state)]
        print_json(
            {"waves": state.plan.waves, "budget": state.plan.limit, "stops": why or None}
            | {"hosts": rows}
        )
        return
    click.echo(title)
    table = Table("wave", "host", "now", "then", "", box=None, header_style="bold")
    for number, host in _numbered(state):
        row = _row(state, host, number)
        style = {"lost": "red", "holds": "dim"}.get(row["standing"] or "", "")
        said = {"holds": "no change", "lost": row["reason"] or "lost"}.get(row["standing"] or "")
        cells = (str(number), host, row["now"] or "-", row["then"] or "-", said or "")
        table.add_row(*(Text(cell, style) for cell in cells))
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)
    console.print(table)
    if why:
        click.echo(f"it would stop at once: {why}")


def _numbered(state: State) -> list[tuple[int, str]]:
    return [(n, host) for n, wave in enumerate(state.plan.waves, 1) for host in wave]


def _row(state: State, host: str, number: int) -> dict[str, str | None]:
    loss = state.lost.get(host)
    standing = "lost" if loss else "holds" if host in state.holds else "changes"
    return {
        "host": host,
        "wave": str(number),
        "standing": standing,
        "now": state.versions.get(host),
        "then": state.targets.get(host),
        "reason": f"{loss.kind}: {loss.reason}" if loss else None,
    }
