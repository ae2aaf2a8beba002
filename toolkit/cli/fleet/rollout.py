"""`toolkit fleet install`, `upgrade` and `rollback`: waves within a failure budget."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from toolkit.cli import options
from toolkit.cli.fleet.driving import conclude, drive, now
from toolkit.cli.fleet.ledgers import ledger_folder
from toolkit.cli.fleet.options import REACHED, WHICH, sudo_password
from toolkit.cli.fleet.plan import show_plan
from toolkit.cli.fleet.view import showing
from toolkit.errors import UsageError
from toolkit.fleet.orders import Wish
from toolkit.fleet.rollout import Desk, Request, begin, plan_of
from toolkit.fleet.where import Where, absolute
from toolkit.hosts import Host
from toolkit.waves import DEFAULT_STEPS, Shape

Run = TypeVar("Run", bound=Callable[..., Any])

WHAT = (
    click.option("--version", help="The version to run."),
    click.option("--channel", help="Run what this channel has."),
)
FROM = (
    options.store,
    options.root,
    options.dist,
    options.project,
)
PACE = (
    click.option(
        "--canary",
        type=click.IntRange(min=0),
        default=1,
        show_default=True,
        metavar="N",
        help="How many hosts try it first, alone; a group `canaries` says which.",
    ),
    click.option(
        "--waves",
        default=",".join(DEFAULT_STEPS),
        show_default=True,
        metavar="10%,50%",
        help="How far the fleet is to be by the end of each wave; the rest comes last.",
    ),
    click.option(
        "--by",
        metavar="GROUP,...",
        help="A wave for each of these groups, or for each value of these variables of hosts.",
    ),
    click.option(
        "--max-failed",
        default="5%",
        show_default=True,
        metavar="N|P%",
        help="How many hosts of the whole fleet may be lost; shares are rounded down.",
    ),
    click.option("--revert", is_flag=True, help="Over budget, take back the hosts that hold it."),
    click.option(
        "--watch",
        type=click.FloatRange(0, 86_400),
        metavar="SECONDS",
        help="How long a version on trial must be healthy.  [default: as the release says]",
    ),
    click.option("--again", is_flag=True, help="Also try a version that failed on a host before."),
    click.option(
        "--parallel",
        type=click.IntRange(1, 500),
        default=25,
        show_default=True,
        help="At most so many hosts at a time; the budget mostly allows fewer.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(1, 86_400),
        default=900,
        show_default=True,
        metavar="SECONDS",
        help="How long one host may take, the release's watch window among it.",
    ),
)
_HOW = (
    *PACE,
    click.option(
        "--through",
        type=click.Choice(["fabric", "ansible"]),
        default="fabric",
        show_default=True,
        help="Reach hosts by Fabric, or by plays of the collection aiwm.toolkit.",
    ),
    click.option("--plan", is_flag=True, help="Look at the hosts, show the waves, do nothing."),
    click.option("--yes", is_flag=True, help="Do not ask."),
)


@dataclass(frozen=True)
class Call:
    """What was called for, and how it is shown."""

    request: Request
    hosts: tuple[Host, ...]
    folder: Path
    as_json: bool
    plan: bool
    yes: bool


def _rollout(*what: Any) -> Callable[[Run], Run]:
    """Add the options of a rollout, and hand what they say to the command as a Call."""

    def decorate(command: Run) -> Run:
        @functools.wraps(command)
        def with_call(**said: Any) -> Any:
            return command(call_of(command.__name__, said))

        wrapped: Any = with_call
        for option in reversed((*WHICH, *what, *_HOW, *REACHED, ledger_folder, options.as_json)):
            wrapped = option(wrapped)
        return click.argument("name")(wrapped)  # type: ignore[no-any-return]

    return decorate


def call_of(verb: str, said: dict[str, Any]) -> Call:
    """Give what the words of a call ask for; raises UsageError where they can't be meant so."""
    where = Where(
        tuple(absolute(source) for source in said["inventory"]),
        said["limit"],
        str(said["known_hosts"].absolute()) if said["known_hosts"] else None,
        str(said["ssh_config"].absolute()) if said["ssh_config"] else None,
        tuple(str(file.absolute()) for file in said["vaults"]),
    )
    if said.get("version") and said.get("channel"):
        raise UsageError("--version and --channel both say what to run", hint="say one of them")
    if said["asks"] and said["through"] == "ansible":
        raise UsageError(
            "--ask-become-password is for Fabric alone",
            hint="put ansible_become_password into the inventory, in a vault",
        )
    hosts = where.hosts(sudo_password(asks=said["asks"]))
    wish = Wish(said.get("version"), said.get("channel"), said["watch"], said["again"])
    request = Request(
        name=said["name"],
        verb=verb,
        where=where,
        wish=wish,
        shape=Shape(said["canary"], _words(said["waves"]), _words(said["by"] or "")),
        max_failed=said["max_failed"],
        revert=said["revert"],
        parallel=said["parallel"],
        timeout=said["timeout"],
        through=said["through"],
        offered=_offered(verb, hosts, said),
    )
    return Call(request, hosts, said["folder"], said["as_json"], said["plan"], said["yes"])


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _offered(verb: str, hosts: Sequence[Host], said: dict[str, Any]) -> dict[str, Any]:
    """Give what the project says of the agent, where the inventory does not."""
    if verb == "rollback" or all(host.variables.get("agent_store") for host in hosts):
        return {}
    from toolkit.cli.render import trusted_root
    from toolkit.install_script import Choices
    from toolkit.order import offering
    from toolkit.stores import public_url

    spec = options.load_agent(said["name"], said["project"])
    if said["version"]:
        spec = spec.model_copy(update={"version": said["version"]})
    root = said["root"]
    store, project = said["store"], said["project"]
    choices = Choices(
        url=public_url(store, project),
        root=root.read_bytes() if root else trusted_root(store, project),
        channel=said["channel"] or "",
    )
    return offering(spec, said["dist"] or project / "release" / "dist", choices)


def _run(call: Call) -> None:
    request = call.request
    plan = plan_of(request, call.hosts)
    title = (
        f"{request.verb} {request.name} to {request.target()}: {len(plan.hosts)} hosts in waves of "
        f"{', '.join(str(len(wave)) for wave in plan.waves)}; {plan.limit} may be lost"
    )
    if call.plan:
        show_plan(request, call.hosts, title, as_json=call.as_json)
        return
    if not call.yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "nobody is here to say yes", hint="see what would be done with --plan; say --yes"
            )
        click.echo(title, err=True)
        click.confirm("Go on?", abort=True, err=True)
    with showing(title, as_json=call.as_json) as watch:
        desk = Desk(call.folder, now, watch)
        with begin(request, call.hosts, desk) as begun:
            drive(begun)
    conclude(call.folder, begun.id, machine=call.as_json)


@click.command()
@_rollout(*WHAT, *FROM)
def install(call: Call) -> None:
    """Install NAME on the hosts of an inventory, in waves.

    Settings, users and process managers are those of the inventory (agent_environment,
    agent_secrets, agent_user, …). Hosts that run another version are upgraded, on trial. It stops
    as soon as more could be lost than --max-failed allows, unreachable hosts among them.

    \b
    Examples:
      toolkit fleet install glances -i hosts.yml --plan
      toolkit fleet install glances -i hosts.yml --channel stable --yes
      toolkit fleet install glances -i hosts.yml --limit web --max-failed 2
    """
    _run(call)


@click.command()
@_rollout(*WHAT, *FROM)
def upgrade(call: Call) -> None:
    """Bring another version of NAME to the hosts of an inventory, in waves.

    Each host tries the version and watches it; the one before comes back where it does not hold.
    It stops as soon as more hosts could be lost than --max-failed allows.

    \b
    Examples:
      toolkit fleet upgrade glances -i hosts.yml --plan
      toolkit fleet upgrade glances -i hosts.yml --version 4.5.8 --max-failed 5% --revert
      toolkit fleet upgrade glances -i hosts.yml --canary 2 --by staging,europe,america
    """
    _run(call)


@click.command()
@_rollout(click.option("--version", help="The version to go back to.  [default: the one before]"))
def rollback(call: Call) -> None:
    """Take NAME on the hosts of an inventory back to the version before, in waves.

    Nothing is fetched: the version must still be on the hosts.

    \b
    Examples:
      toolkit fleet rollback glances -i hosts.yml
      toolkit fleet rollback glances -i hosts.yml --version 4.5.7 --canary 0 --max-failed 20%
    """
    _run(call)
