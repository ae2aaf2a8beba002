"""`toolkit verify`: proves on hosts that an agent runs as its release promises."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit.cli import options
from toolkit.cli.output import print_json, progress
from toolkit.contract import Verdict
from toolkit.errors import ContractError, HostError
from toolkit.junit import junit
from toolkit.runner import FORMS
from toolkit.spec import Manager
from toolkit.verify import Options, verify_all

_EXISTING = click.Path(path_type=Path, dir_okay=False, exists=True)


def _absolute(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts:
        raise click.BadParameter("give the whole path, such as /home/me/glances")
    return str(path)


def _writable(_context: click.Context, _option: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and not os.access(value.parent, os.W_OK):
        raise click.BadParameter(f"there is no folder {value.parent} that you may write to")
    return value


@click.command()
@click.argument("name")
@click.option("--host", "hosts", multiple=True, required=True, metavar="URL", help=f"{FORMS}.")
@click.option(
    "--version", metavar="V", help="The version that must run.  [default: release/NAME.toml's]"
)
@click.option("--any-version", is_flag=True, help="Accept whichever version the host says it runs.")
@click.option(
    "--process-manager",
    "manager",
    type=click.Choice(get_args(Manager)),
    help="What must run it; else what the host says.",
)
@click.option(
    "--prefix",
    metavar="DIR",
    callback=_absolute,
    help="The folder it is installed in (INSTALL_DIR).  [default: /opt/SERVICE]",
)
@click.option(
    "--sudo/--no-sudo",
    default=None,
    help="Look as root, or as the login user.  [default: root, if sudo asks no password]",
)
@click.option("--ssh-config", type=_EXISTING, help="A configuration file for ssh.")
@click.option("--identity-file", type=_EXISTING, help="The private key for ssh.")
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    callback=_writable,
    help="Write JUnit XML to this file too.",
)
@options.as_json
@options.project
def verify(
    *,
    name: str,
    hosts: tuple[str, ...],
    version: str | None,
    any_version: bool,
    manager: str | None,
    prefix: str | None,
    sudo: bool | None,
    ssh_config: Path | None,
    identity_file: Path | None,
    junit_file: Path | None,
    as_json: bool,
    project: Path,
) -> None:
    """Prove on hosts that agent NAME runs as its release promises.

    Looks at files, owners and modes, the process manager, the process and its health; changes
    nothing. Exits with 10 where a check fails and with 9 where a host can't be reached.

    \b
    Examples:
      toolkit verify glances --host local
      toolkit verify glances --host ssh://admin@web1 --host ssh://admin@web2
      toolkit verify glances --host podman://demo --version 4.5.8 --json
    """
    spec = options.load_agent(name, project)
    version = None if any_version else version or spec.release_version
    wanted = Options(version, manager, prefix, sudo, ssh_config, identity_file)
    with progress(quiet=as_json) as bar:
        verdicts = verify_all(spec, hosts, wanted, bar)
    if junit_file:
        junit_file.write_text(junit(verdicts), encoding="utf-8")
    if as_json:
        print_json([_plain(verdict) for verdict in verdicts])
    else:
        _print(verdicts)
    _conclude(verdicts)


def _plain(verdict: Verdict) -> dict[str, Any]:
    error = verdict.error
    return {
        "host": verdict.host,
        "service": verdict.service,
        "version": verdict.version,
        "holds": verdict.holds,
        "error": {"message": error.message, "why": error.why, "hint": error.hint}
        if error
        else None,
        "checks": [vars(check) for check in verdict.checks],
    }


def _print(verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        if not verdict.error and verdict.installed:
            print_verdict(verdict)


def print_verdict(verdict: Verdict) -> None:
    """Print the checks of one host as a table, and how many of them hold."""
    console = Console()
    console.print(_table(verdict))
    held = len(verdict.checks) - len(verdict.failed)
    mark = Text("✓ ", "green") if verdict.holds else Text("✗ ", "bold red")
    what = f"{verdict.service} on {verdict.host}: {held} of {len(verdict.checks)} checks hold"
    console.print(mark + Text(what), soft_wrap=True)


def _table(verdict: Verdict) -> Table:
    title = Text(f"{verdict.service} {verdict.version or 'of no version'} on {verdict.host}")
    table = Table("check", "", "found", title=title, title_justify="left")
    for check in verdict.checks:
        mark = Text("✓", "green") if check.holds else Text("✗", "bold red")
        found = Text(check.found)
        if not check.holds:
            found = found.append(" → ", "bold").append(check.expected, "green")
        table.add_row(Text(check.name), mark, found)
    return table


def _conclude(verdicts: Sequence[Verdict]) -> None:
    """Raise what is wrong, if anything is: first a host that nobody could look at."""
    unreached = [verdict.error for verdict in verdicts if verdict.error]
    if len(unreached) == 1:
        raise unreached[0]
    if unreached:
        raise HostError(
            f"{len(unreached)} of {len(verdicts)} hosts could not be looked at",
            why="\n".join(f"{error.message}: {error.why}" for error in unreached),
            hint=unreached[0].hint,
        )
    missing = [verdict for verdict in verdicts if not verdict.installed]
    if missing:
        raise ContractError(
            "; ".join(
                f"{verdict.service} is not installed on {verdict.host}" for verdict in missing
            ),
            why="\n".join(verdict.checks[0].found for verdict in missing),
            hint="install it (`toolkit render install-script` writes the script), or say where "
            "it is with --prefix",
        )
    broken = [verdict for verdict in verdicts if not verdict.holds]
    if broken:
        raise ContractError(
            "; ".join(
                f"{verdict.service} on {verdict.host} breaks its contract" for verdict in broken
            ),
            why="\n".join(
                f"{check.name}: found {check.found}, expected {check.expected}"
                for verdict in broken
                for check in verdict.failed
            ),
            hint="docs/verify.md says what each check means and how to mend it",
        )
