"""`toolkit doctor`: what a store can do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from toolkit.cli import options
from toolkit.cli.output import print_json
from toolkit.doctor import examine
from toolkit.errors import StoreError
from toolkit.findings import Finding, Health
from toolkit.stores import open_store, select

_COLOURS = {Health.GOOD: "green", Health.NOTE: "yellow", Health.BAD: "red"}


@click.command()
@click.option(
    "--to",
    "store",
    metavar="STORE",
    help="A store of toolkit.toml.  [default: its default_store, else the CDN_* variables]",
)
@options.project
@options.as_json
def doctor(*, store: str | None, project: Path, as_json: bool) -> None:
    """Find out what a store can do, and what toolkit will do about it.

    It tries with small files of its own in the folder toolkit-probe/, and takes them away again.
    Exits with 7 where something keeps a publication from working.

    \b
    Examples:
      toolkit doctor
      toolkit doctor --to production --json
    """
    selection = select(store, project)
    findings = []
    target = open_store(selection.config, project, allow_races=True)
    for finding in examine(selection.config, target):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        print_json({"store": selection.name, "probes": rows, "notes": selection.warnings})
    sys.exit(_exit_code(findings))


def _print(finding: Finding) -> None:
    mark = click.style(f"{finding.health:<4}", fg=_COLOURS[finding.health])
    click.echo(f"{mark}  {finding.probe:<26}{finding.result}")
    if finding.consequence:
        click.echo(f"{'':32}-> {finding.consequence}")


def _exit_code(findings: Sequence[Finding]) -> int:
    is_bad = any(finding.health is Health.BAD for finding in findings)
    return StoreError.exit_code if is_bad else 0
