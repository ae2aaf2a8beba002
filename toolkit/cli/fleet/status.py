"""`toolkit fleet status`: what runs on each host."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.text import Text

from toolkit.cli import options
from toolkit.cli.fleet.options import agent, count, exit_code, on_fleet
from toolkit.cli.fleet.show import end, table
from toolkit.fleet.asking import Fleet, Report
from toolkit.fleet.asking import status as ask_status

_HEADS = ("version", "under", "up for", "restarts", "")


@click.command()
@agent
@on_fleet
@options.as_json
def status(fleet: Fleet, *, name: str | None, as_json: bool) -> None:
    """Say of each host what runs there and whether it is healthy.

    NAME is the agent; without it, the one that the inventory names (agent_name).

    \b
    Examples:
      toolkit fleet status -i hosts.yml
      toolkit fleet status glances -i hosts.yml --limit 'web:!web3'
      toolkit fleet status -i hosts.yml --json | jq '.[] | select(.ok | not)'
    """
    asked = ask_status(fleet, name)
    reports = list(asked) if as_json else table(fleet.hosts, asked, _HEADS, _row)
    end(reports, exit_code(count(reports)), as_json=as_json, what="healthy")


def _row(report: Report) -> Sequence[Text]:
    found = report.answer
    if not found:
        return [*[Text("")] * 4, Text(f"{report.kind}: {report.failure}", "red")]
    version = Text(found.get("version") or "-")
    if found.get("on_trial"):
        version.append(" on trial", "yellow")
    if found.get("pinned"):
        version.append(" pinned", "yellow")
    said = Text(report.failure, "red") if report.failure else Text("healthy", "green")
    if found.get("outcome") == "reverted":
        said.append(f" (came back: {found.get('reason')})", "yellow")
    restarts = found.get("restarts")
    return [
        version,
        Text(found.get("manager") or "-"),
        Text(age(found.get("since"))),
        Text("" if restarts is None else str(restarts)),
        said,
    ]


def age(since: str | None) -> str:
    """Say how long ago an ISO 8601 time was, in its two largest units' first."""
    if not since:
        return "-"
    seconds = max((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds(), 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
