"""How the answers of many hosts are shown: live, as a table, in colours of their own."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from toolkit.cli.output import print_json
from toolkit.fleet.asking import Report
from toolkit.hosts import Host

# Those that can be read on a dark and on a light ground.
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_magenta")
GOOD, BAD = Text("✓", "green"), Text("✗", "bold red")

Row = Callable[[Report], Sequence[Text]]


def colour_of(name: str) -> str:
    """Give a host's colour: the same in every call."""
    return _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]


def label(host: Host, width: int) -> str:
    """Give what stands before a host's line."""
    return click.style(f"{host.name:<{width}} │ ", fg=colour_of(host.name))


def table(
    hosts: Sequence[Host], reports: Iterable[Report], heads: Sequence[str], row: Row
) -> list[Report]:
    """Show a table that fills as the hosts answer, those that failed last; give all answers.

    On a terminal it grows while the slow ones are waited for, elsewhere it is printed once.
    """
    done: list[Report] = []
    console = Console()
    if not console.is_terminal:
        done.extend(reports)
        console.width = max(console.width, 160)
        console.print(_drawn(hosts, done, heads, row))
        return done
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        for report in reports:
            done.append(report)
            live.update(_drawn(hosts, done, heads, row))
    console.print(_drawn(hosts, done, heads, row))
    return done


def _drawn(hosts: Sequence[Host], done: Sequence[Report], heads: Sequence[str], row: Row) -> Table:
    drawn = Table("host", "", *heads, box=None, pad_edge=False, header_style="bold")
    order = {host.name: place for place, host in enumerate(hosts)}
    for report in sorted(done, key=lambda one: (one.failure is not None, order[one.host.name])):
        mark = BAD if report.failure else GOOD
        drawn.add_row(Text(report.host.name), mark, *row(report))
    waiting = len(hosts) - len(done)
    if waiting:
        drawn.add_row(Text(f"… {waiting} more", "dim"))
    return drawn


def summary(total: int, failed: Sequence[Report], what: str) -> None:
    """Say how many hosts went well, and how each kind of failure is mended."""
    good = total - len(failed)
    colour = "red" if failed else "green"
    click.echo(click.style(f"{what} on {good} of {total} hosts", fg=colour), err=bool(failed))
    hints: dict[str, list[str]] = {}
    for report in failed:
        if report.hint:
            hints.setdefault(report.hint, []).append(report.host.name)
    for hint, names in hints.items():
        some = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        click.echo(f"  do ({some}): {hint}", err=True)


def as_rows(reports: Iterable[Report], *without: str) -> list[dict[str, Any]]:
    """Give reports for JSON, by host's name, leaving out the keys `without` of the answer."""
    return [
        {
            "host": report.host.name,
            "address": report.host.address,
            "ok": report.failure is None,
            "failure": {"kind": report.kind, "why": report.failure, "hint": report.hint}
            if report.failure
            else None,
            "seconds": round(report.seconds, 2),
            **{key: value for key, value in report.answer.items() if key not in without},
        }
        for report in sorted(reports, key=lambda one: one.host.name)
    ]


def end(reports: Sequence[Report], code: int, *, as_json: bool, what: str) -> None:
    """Print the JSON or the summary, and leave with `code`."""
    if as_json:
        print_json(as_rows(reports, "data"))
    else:
        summary(len(reports), [report for report in reports if report.failure], what)
    sys.exit(code)
