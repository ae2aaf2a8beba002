"""`toolkit fleet restart`, `support-bundle` and `uninstall`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.text import Text

from toolkit.cli import options
from toolkit.cli.fleet.options import agent, count, exit_code, on_fleet
from toolkit.cli.fleet.show import end, table
from toolkit.fleet.asking import Fleet, Report, agentctl, bundles


@click.command()
@agent
@on_fleet
@options.as_json
def restart(fleet: Fleet, *, name: str | None, as_json: bool) -> None:
    """Start the service anew on each host, and wait until it is healthy there.

    With --parallel 1 one host after the other, so that some of them always serve.

    \b
    Examples:
      toolkit fleet restart -i hosts.yml --limit web1
      toolkit fleet restart glances -i hosts.yml --parallel 1
    """
    asked = agentctl(fleet, ["restart"], name)
    reports = list(asked) if as_json else table(fleet.hosts, asked, ("",), _said)
    end(reports, exit_code(count(reports)), as_json=as_json, what="restarted")


@click.command("support-bundle")
@agent
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("support-bundles"),
    show_default=True,
    metavar="FOLDER",
    help="Where to put the files, HOST.tar.gz each.",
)
@on_fleet
@options.as_json
def support_bundle(fleet: Fleet, *, name: str | None, output: Path, as_json: bool) -> None:
    """Collect from each host what helps to find a fault, with the secrets taken out.

    \b
    Examples:
      toolkit fleet support-bundle -i hosts.yml --limit web3
      toolkit fleet support-bundle -i hosts.yml --output /tmp/bundles
    """
    output.mkdir(parents=True, exist_ok=True)
    reports = []
    for report, data in bundles(fleet, name):
        reports.append(report)
        if report.failure is None:
            _write(_file(output, report), data)
        if not as_json:
            good = report.failure is None
            said = f"{_file(output, report)}" if good else f"{report.kind}: {report.failure}"
            click.echo(f"{'✓' if good else '✗'} {report.host.name}: {said}")
    end(reports, exit_code(count(reports)), as_json=as_json, what="collected")


@click.command()
@agent
@click.option("--keep-data", is_flag=True, help="Keep .env, logs and workspace.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_fleet
@options.as_json
def uninstall(fleet: Fleet, *, name: str | None, keep_data: bool, yes: bool, as_json: bool) -> None:
    """Stop the service on each host and remove all that was installed; asks first.

    \b
    Examples:
      toolkit fleet uninstall -i hosts.yml --limit web3
      toolkit fleet uninstall glances -i hosts.yml --keep-data --yes
    """
    names = ", ".join(host.name for host in fleet.hosts[:8])
    more = f" and {len(fleet.hosts) - 8} more" if len(fleet.hosts) > 8 else ""
    if not yes:
        kept = ", and keep its data" if keep_data else ", with its settings, logs and workspace"
        what = name or "the agent of the inventory"
        click.echo(f"Remove {what} from {len(fleet.hosts)} hosts{kept}: {names}{more}", err=True)
        click.confirm("Go on?", abort=True, err=True)
    words = ["uninstall", *(["--keep-data"] if keep_data else [])]
    asked = agentctl(fleet, words, name)
    reports = list(asked) if as_json else table(fleet.hosts, asked, ("",), _said)
    end(reports, exit_code(count(reports)), as_json=as_json, what="removed")


def _file(folder: Path, report: Report) -> Path:
    """Give the place of a host's bundle; a host may be named like a path."""
    name = report.host.name.replace("/", "_")
    return folder / f"{name}.tar.gz"


def _write(file: Path, data: bytes) -> None:
    file.touch(mode=0o600)  # what is redacted may still be nobody else's business
    file.chmod(0o600)
    file.write_bytes(data)


def _said(report: Report) -> Sequence[Text]:
    if report.failure:
        kind = "" if report.reached else f"{report.kind}: "
        return [Text(f"{kind}{report.failure}", "red")]
    lines = report.answer.get("stdout", "").strip().splitlines()
    return [Text(lines[-1].removeprefix("[INFO] ") if lines else "")]
