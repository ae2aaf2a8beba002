"""`toolkit fleet verify`: the host contract over all hosts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit.cli import options
from toolkit.cli.fleet.options import agent, exit_code, on_fleet
from toolkit.cli.fleet.show import BAD, GOOD
from toolkit.cli.output import print_json, progress
from toolkit.fleet.asking import Fleet
from toolkit.hosts import Host

if TYPE_CHECKING:
    from toolkit.fleet.verifying import Seen, Wanted
    from toolkit.spec import AgentSpec

_NEW = click.Path(path_type=Path, dir_okay=False, writable=True)
_SHOWN = 3


@click.command()
@agent
@click.option("--version", metavar="V", help="The version that must run.")
@click.option(
    "--channel", metavar="CHANNEL", help="The version that this channel of the store points at."
)
@click.option(
    "--to", "store", metavar="STORE", help="The store of --channel, by its name in toolkit.toml."
)
@click.option("--html", "html_file", type=_NEW, metavar="FILE", help="Write a report to FILE.")
@click.option(
    "--junit", "junit_file", type=_NEW, metavar="FILE", help="Write JUnit XML to FILE too."
)
@click.option("--title", metavar="TEXT", help="The report's title.  [default: the agents' names]")
@on_fleet
@options.as_json
@options.project
def verify(
    fleet: Fleet,
    *,
    name: str | None,
    version: str | None,
    channel: str | None,
    store: str | None,
    html_file: Path | None,
    junit_file: Path | None,
    title: str | None,
    as_json: bool,
    project: Path,
) -> None:
    """Prove on each host that the agent runs as its release promises.

    Looks at files, owners and modes, the process manager, the process, its health, at every file
    of the release, and at how well the service is shielded; changes nothing. The version must be
    --version, else what --channel says, else the inventory's agent_version; else any is right.

    \b
    Examples:
      toolkit fleet verify -i hosts.yml
      toolkit fleet verify glances -i hosts.yml --channel stable --html fleet.html
      toolkit fleet verify -i hosts.yml --junit fleet.xml --json
    """
    from toolkit.fleet.verifying import verify as look
    from toolkit.junit import junit

    if version and channel:
        raise click.UsageError("say --version or --channel, not both")
    specs = _specs(fleet, name, project)
    wanted = _wanted(fleet, specs, version, _pointed(specs, channel, store, project))
    seen: list[Seen] = []
    with progress(quiet=as_json) as bar:
        bar.start(f"looking at {len(fleet.hosts)} hosts", total=len(fleet.hosts))
        for one in look(fleet, specs, wanted):
            seen.append(one)
            bar.advance()
        bar.finish()
    seen.sort(key=lambda one: (one.verdict.holds, one.host.name))
    if junit_file:
        junit_file.write_text(junit(one.verdict for one in seen), encoding="utf-8")
    if html_file:
        names = " and ".join(sorted({spec.title for spec in specs.values()}))
        _write_report(html_file, seen, title or names)
    if as_json:
        print_json([plain(one) for one in seen])
    else:
        _print(seen, html_file)
    sys.exit(exit_code(sum(not one.verdict.holds for one in seen)))


def _specs(fleet: Fleet, name: str | None, project: Path) -> dict[str, AgentSpec]:
    names = {host.name: name or host.variables.get("agent_name") for host in fleet.hosts}
    missing = [host for host, agent in names.items() if not agent]
    if missing:
        some = ", ".join(missing[:_SHOWN])
        raise click.UsageError(f"name the agent: the inventory has no agent_name for {some}")
    known = {each: options.load_agent(each, project) for each in set(names.values()) if each}
    return {host: known[each] for host, each in names.items() if each}


def _pointed(
    specs: Mapping[str, AgentSpec], channel: str | None, store: str | None, project: Path
) -> dict[str, Wanted]:
    """Ask the store which versions the channel has, for each agent."""
    if channel is None:
        return {}
    from toolkit import channels, repository
    from toolkit.cli.trusted import open_desk
    from toolkit.fleet.verifying import Wanted

    desk = open_desk(store, project)
    current = repository.require(desk.at.store, desk.ring.trusted_root())
    found = {}
    for name in {spec.name for spec in specs.values()}:
        pointer = channels.pointer(repository.catalog_of(current, name), channel)
        versions = tuple(each for each in (pointer.version, pointer.staged) if each)
        if not versions:
            raise click.UsageError(f"no version of {name} is in the channel {channel}")
        found[name] = Wanted(versions, f"channel {channel}")
    return found


def _wanted(
    fleet: Fleet,
    specs: Mapping[str, AgentSpec],
    version: str | None,
    pointed: Mapping[str, Wanted],
) -> dict[str, Wanted]:
    from toolkit.fleet.verifying import Wanted

    def of(host: Host) -> Wanted:
        name = specs[host.name].name
        if version:
            return Wanted((version,), "as asked")
        if name in pointed:
            return pointed[name]
        said = host.variables.get("agent_version")
        own = host.variables.get("agent_name") in (None, name)
        return Wanted((str(said),), "the inventory") if said and own else Wanted()

    return {host.name: of(host) for host in fleet.hosts}


def _write_report(file: Path, seen: Sequence[Seen], title: str) -> None:
    from toolkit.fleet.report import page, render

    now = datetime.now().astimezone()
    file.write_text(render(page(seen, title, now)), encoding="utf-8")


def plain(one: Seen) -> dict[str, Any]:
    """Give what was found on a host, for JSON."""
    verdict, facts = one.verdict, one.facts
    error = verdict.error
    return {
        "host": one.host.name,
        "address": one.host.address,
        "service": verdict.service,
        "version": one.version,
        "should_be": list(one.wanted.versions),
        "drifted": one.drifted,
        "holds": verdict.holds,
        "error": {"message": error.message, "why": error.why, "hint": error.hint}
        if error
        else None,
        "checks": [asdict(check) for check in verdict.checks],
        "system": asdict(facts.system) if facts and facts.system else None,
        "files": asdict(facts.drift) if facts and facts.drift else None,
        "seconds": round(one.seconds, 2),
    }


def _print(seen: Sequence[Seen], html_file: Path | None) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)
    table = Table("host", "", "version", "checks", "exposure", "", box=None, header_style="bold")
    for one in seen:
        held = len(one.verdict.checks) - len(one.verdict.failed)
        score = one.exposure
        table.add_row(
            Text(one.host.name),
            GOOD if one.verdict.holds else BAD,
            Text(one.version or "-", "red" if one.drifted else ""),
            Text(f"{held}/{len(one.verdict.checks)}" if one.verdict.checks else "-"),
            Text("-" if score is None else f"{score:.1f}"),
            _why(one),
        )
    console.print(table)
    good = sum(one.verdict.holds for one in seen)
    colour = "green" if good == len(seen) else "red"
    click.echo(click.style(f"{good} of {len(seen)} hosts are as they should be", fg=colour))
    if html_file:
        click.echo(f"report: {html_file}")


def _why(one: Seen) -> Text:
    if one.verdict.error is not None:
        return Text(f"{one.verdict.error.why}; {one.verdict.error.hint}", "red")
    lines = [
        f"{check.name}: {check.found}, should be {check.expected}"
        for check in one.verdict.failed[:_SHOWN]
    ]
    more = len(one.verdict.failed) - _SHOWN
    return Text("\n".join([*lines, *([f"and {more} more"] if more > 0 else [])]), "red")
