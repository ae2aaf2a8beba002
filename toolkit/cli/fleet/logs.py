"""`toolkit fleet logs`: the logs of many hosts as one."""

from __future__ import annotations

import json
import sys

import click

from toolkit.cli import options
from toolkit.cli.fleet.options import agent, count, exit_code, on_fleet
from toolkit.cli.fleet.show import label, summary
from toolkit.cli.output import INTERRUPTED
from toolkit.fleet.asking import Fleet, Report
from toolkit.fleet.asking import logs as read_logs
from toolkit.hosts import Host
from toolkit.remote import Line


@click.command()
@agent
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C; --timeout has no say then.")
@click.option("-n", "--lines", type=click.IntRange(0), metavar="N", help="The last N of each host.")
@click.option("--since", metavar="T", help="From then on, such as 10m, 2h or 2026-01-31T23:59.")
@on_fleet
@options.as_json
def logs(
    fleet: Fleet,
    *,
    name: str | None,
    follow: bool,
    lines: int | None,
    since: str | None,
    as_json: bool,
) -> None:
    """Show what the service prints on many hosts, each line with its host, in the host's colour.

    All hosts at once: --parallel has no say. With --json, each line is an object of its own.

    \b
    Examples:
      toolkit fleet logs -f -i hosts.yml
      toolkit fleet logs -n 20 -i hosts.yml --limit web
      toolkit fleet logs --since 10m -i hosts.yml --json
    """
    words = ["--lines", str(lines)] if lines is not None else []
    words += ["--since", since] if since else []
    width = max(len(host.name) for host in fleet.hosts)
    ended: list[Report] = []
    try:
        for item in read_logs(fleet, words, name, follow=follow):
            if isinstance(item, Line):
                _print(item.host, item.text, width, as_json=as_json)
            else:
                ended.append(item)
                if item.failure:
                    _complain(item, width)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED if not follow else exit_code(count(ended)))
    failed = [report for report in ended if report.failure]
    if failed:
        summary(len(fleet.hosts), failed, "read")
    sys.exit(exit_code(len(failed)))


def _print(host: Host, text: str, width: int, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"host": host.name, "line": text}))
    else:
        click.echo(label(host, width) + text)


def _complain(report: Report, width: int) -> None:
    said = click.style(f"✗ {report.kind}: {report.failure}", fg="red")
    click.echo(label(report.host, width) + said, err=True)
