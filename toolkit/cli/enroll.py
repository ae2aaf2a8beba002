"""`toolkit enroll`: hosts of an inventory become running agents of the AIWM controller."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit import ledger
from toolkit.cli import options
from toolkit.cli.fleet.driving import drive, now
from toolkit.cli.fleet.ledgers import ledger_folder
from toolkit.cli.fleet.options import REACHED, WHICH
from toolkit.cli.fleet.rollout import FROM, PACE, WHAT, Call, call_of
from toolkit.cli.fleet.view import showing
from toolkit.cli.output import INTERRUPTED, print_json
from toolkit.controller import Controller, address
from toolkit.errors import ControllerError, NotFoundError, RolloutError, UsageError
from toolkit.fleet.account import Account, account
from toolkit.fleet.asking import Fleet, enrolled
from toolkit.fleet.enrolling import (
    Arrivals,
    Candidate,
    Standing,
    Wish,
    candidates,
    wait_online,
)
from toolkit.fleet.rollout import Desk, begin
from toolkit.secret import Secret

TOKEN = "TOOLKIT_CONTROLLER_TOKEN"  # noqa: S105 - the name of a variable
_AGAIN = "mend that, then run the same command again: what is done stays done"


def _described(command: Any) -> Any:
    for option in reversed(
        (
            *WHICH,
            click.option("--controller", metavar="URL", required=True, help="The controller."),
            click.option(
                "--token-file",
                type=click.Path(path_type=Path, dir_okay=False, exists=True),
                metavar="FILE",
                help="A file, mode 0600, with a token of an editor's or owner's.  "
                f"[default: the variable {TOKEN}]",
            ),
            click.option(
                "--agent",
                "name",
                metavar="NAME",
                default="xora-cc-agent",
                show_default=True,
                help="The release to install.",
            ),
            click.option("--tags", default="", metavar="A,B", help="Tags of agents that are made."),
            click.option(
                "--rotate", is_flag=True, help="Give new credentials also where theirs work."
            ),
            click.option(
                "--over-http", is_flag=True, help="Speak with the controller by plain http, too."
            ),
            click.option(
                "--wait",
                type=click.IntRange(0, 86_400),
                default=180,
                show_default=True,
                metavar="SECONDS",
                help="How long the controller may take to hear from all of them.",
            ),
            click.option("--check", is_flag=True, help="Say what would be done, and do nothing."),
            *WHAT,
            *FROM,
            *PACE,
            *REACHED,
            ledger_folder,
            options.as_json,
        )
    ):
        command = option(command)
    return command


@click.command()
@_described
def enroll(
    *,
    controller: str,
    token_file: Path | None,
    name: str,
    tags: str,
    rotate: bool,
    over_http: bool,
    wait: int,
    check: bool,
    **said: Any,
) -> None:
    """Make the hosts of an inventory running agents of the AIWM controller.

    Each host gets an agent of its name there and a credential of its own; the release is
    installed in waves, as `toolkit fleet install` does it; then the controller must hear from
    each. A host that is enrolled keeps its credential, and one where all is right is left alone.

    \b
    Examples:
      toolkit enroll -i hosts.yml --controller https://aiwm.example.com --token-file token --check
      toolkit enroll -i hosts.yml --controller https://aiwm.example.com --token-file token
      toolkit enroll -i hosts.yml --controller https://aiwm.example.com --limit web --tags web,eu
    """
    url = address(controller, over_http=over_http)
    asked = Controller(url, _token(token_file))
    more = {"name": name, "through": "fabric", "plan": False, "yes": True}
    call = call_of("install", {**said, **more})
    if not call.hosts:
        raise NotFoundError("there is no such host in the inventory", hint="check -i and --limit")
    words = tuple(word.strip() for word in tags.split(",") if word.strip())
    wish = Wish(url, name, words, rotate, over_http)
    found = _look(call, asked, wish)
    if check:
        _show_check(found, as_json=call.as_json)
    else:
        _carry_out(call, asked, wish, found, wait)


def _token(file: Path | None) -> Secret:
    """Read the token; raises UsageError where there is none, or where others can read it."""
    if file is None:
        text = os.environ.get(TOKEN, "").strip()
        hint = f"name a file by --token-file, or set {TOKEN}; aiwm-controller token makes one"
        if not text:
            raise UsageError("there is no token for the controller", hint=hint)
        return _checked(text, TOKEN)
    if file.stat().st_mode & 0o077:
        raise UsageError(
            f"others on this machine can read {file}",
            why="who has the token can do at the controller what you can",
            hint=f"chmod 600 {file}",
        )
    return _checked(file.read_text("utf-8", errors="replace").strip(), str(file))


def _checked(text: str, where: str) -> Secret:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError(f"{where} holds no token", hint="put the token into it, and nothing else")
    return Secret(text)


def _look(call: Call, controller: Controller, wish: Wish) -> list[Candidate]:
    """Ask the controller, then the hosts; nothing is changed."""
    agents = list(controller.agents())
    request = call.request
    fleet = Fleet(call.hosts, request.parallel, min(60.0, request.timeout), request.where.reach)
    # Where the service stands, the project says if the inventory does not.
    offered = dict(request.offered)
    placed = [replace(host, variables={**offered, **host.variables}) for host in call.hosts]
    reports = enrolled(replace(fleet, hosts=tuple(placed)), wish.controller, wish.release)
    by_name = {report.host.name: report for report in reports}
    return list(candidates(call.hosts, agents, by_name, wish))


def _carry_out(
    call: Call, controller: Controller, wish: Wish, found: Sequence[Candidate], wait: int
) -> None:
    lost = [each for each in found if not each.credential]
    arrivals = Arrivals((each for each in found if each.credential), controller, wish)
    rows = [_lost(each) for each in lost]
    stopped = None
    if arrivals.hosts():
        told = _rolled_out(call, arrivals)
        began = time.monotonic()
        by_host = {row.host: row for row in told.rows}
        rows += wait_online(
            arrivals.all(), by_host, controller, lambda: time.monotonic() - began < wait
        )
        stopped = told if not told.state.finished else None
    _show(rows, as_json=call.as_json)
    _end(rows, stopped)


def _rolled_out(call: Call, arrivals: Arrivals) -> Account:
    hosts = arrivals.hosts()
    title = f"enroll {len(hosts)} hosts as {call.request.name}, {call.request.target()}"
    with (
        showing(title, as_json=call.as_json) as watch,
        begin(call.request, hosts, Desk(call.folder, now, watch), arrivals.enroll) as begun,
    ):
        drive(begun, again="run the same command again")
    return account(ledger.read(call.folder, begun.id))


def _lost(each: Candidate) -> Standing:
    agent = each.agent.id if each.agent else ""
    return Standing(each.host.name, agent, what="lost", fault=each.fault, hint=each.hint)


def _end(rows: Sequence[Standing], stopped: Account | None) -> None:
    """Leave with 0 where all are online; else raise what went wrong."""
    if stopped is not None and stopped.state.interrupted:
        click.echo("interrupted; run the same command again to finish it", err=True)
        sys.exit(INTERRUPTED)
    bad = [row for row in rows if not row.online]
    if not bad:
        return
    why = "\n".join(f"{row.host}: {row.fault or row.what}" for row in bad[:5])
    if stopped is not None:
        raise RolloutError(f"the installation stopped: {stopped.why}", why=why, hint=_AGAIN)
    hint = next((row.hint for row in bad if row.hint), "")
    raise ControllerError(
        f"{len(bad)} of {len(rows)} hosts are no running agents of the controller",
        why=why,
        hint=hint or "toolkit fleet logs says what they do; then run the same command again",
    )


def _show(rows: Sequence[Standing], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(row) for row in sorted(rows, key=lambda row: row.host)])
        return
    table = Table("host", "", "agent", "credential", "version", "", box=None, header_style="bold")
    for row in sorted(rows, key=lambda row: (not row.online, row.host)):
        mark = Text("✓", "green") if row.online else Text("✗", "bold red")
        # One that was not visited may be "online" by an old credential, which is no news of it.
        state = row.liveness if row.online else row.what
        said = Text(row.fault or state, "" if row.online else "red")
        table.add_row(row.host, mark, row.agent, row.credential, row.version, said)
    _print(table)
    good = sum(row.online for row in rows)
    click.echo(f"online at the controller: {good} of {len(rows)} hosts")


def _show_check(found: Sequence[Candidate], *, as_json: bool) -> None:
    rows = [
        {
            "host": each.host.name,
            "name": each.name,
            "agent": each.agent.id if each.agent else None,
            "credential": each.credential or None,
            "fault": each.fault or None,
            "hint": each.hint or None,
        }
        for each in found
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("host", "agent", "credential", "", box=None, header_style="bold")
    for row in rows:
        agent = row["agent"] or f"{row['name']} would be made"
        cells = (row["host"], agent, row["credential"] or "-", Text(row["fault"] or "", "red"))
        table.add_row(*(cell or "" for cell in cells))
    _print(table)


def _print(table: Table) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)
    console.print(table)
