"""`toolkit fleet exec`: a command on each host."""

from __future__ import annotations

from collections.abc import Iterable

import click

from toolkit.cli import options
from toolkit.cli.fleet.options import count, exit_code, on_fleet
from toolkit.cli.fleet.show import end, label
from toolkit.fleet.asking import Fleet, Report
from toolkit.fleet.asking import execute as run_command


@click.command("exec")
@on_fleet
@options.as_json
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(fleet: Fleet, *, command: tuple[str, ...], as_json: bool) -> None:
    """Run COMMAND on each host and show what each printed.

    Several words are run as they are; one word is a line for the shell. It runs as root where
    sudo lets it, unless ansible_become is false. Secrets have no place in it: on a host, everyone
    sees the words of a command.

    \b
    Examples:
      toolkit fleet exec -i hosts.yml -- uptime
      toolkit fleet exec -i hosts.yml --limit web -- 'df -h / | tail -n 1'
      toolkit fleet exec -i hosts.yml --json -- systemctl is-active glances
    """
    reports = []
    width = max(len(host.name) for host in fleet.hosts)
    for report in run_command(fleet, command):
        reports.append(report)
        if not as_json:
            _print(report, width)
    end(reports, exit_code(count(reports)), as_json=as_json, what="done")


def _print(report: Report, width: int) -> None:
    before = label(report.host, width)
    for line in _lines(report):
        click.echo(before + line)
    if report.failure:
        kind = f"{report.kind}: " if not report.reached else ""
        click.echo(before + click.style(f"✗ {kind}{report.failure}", fg="red"))


def _lines(report: Report) -> Iterable[str]:
    yield from report.answer.get("stdout", "").splitlines()
    for line in report.answer.get("stderr", "").splitlines():
        yield click.style(line, dim=True)
