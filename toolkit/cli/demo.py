"""`toolkit demo`: the whole story on this machine."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolkit.cli.options import load_agent
from toolkit.cli.options import project as project_option
from toolkit.cli.output import progress
from toolkit.cli.verify import print_verdict
from toolkit.contract import Verdict
from toolkit.demo.alone import alone
from toolkit.demo.steps import AUTO, CONTAINER, FOLDER, Page, Show, Shown, Teller, Wishes
from toolkit.demo.with_controller import has_controller, with_controller
from toolkit.errors import ContractError, UsageError
from toolkit.interruption import all_as_ctrl_c


@click.command()
@click.option(
    "--agent",
    default="xora-vercel-agent",
    show_default=True,
    help="Which agent to show; one that reports to a controller gets one.",
)
@click.option(
    "--on",
    type=click.Choice([AUTO, CONTAINER, FOLDER]),
    default=AUTO,
    show_default=True,
    help="A systemd container, or a folder of this machine; auto: the first that there is.",
)
@click.option("--image", help="An image that boots systemd and has the user operator with sudo.")
@click.option(
    "--keep", is_flag=True, help="Leave it running, to look around; with a controller until Ctrl-C."
)
@project_option
def demo(agent: str, on: str, image: str | None, keep: bool, project: Path) -> None:
    """Build an agent, install it on a throwaway host, and show it online in its controller.

    The controller runs on this machine while the demonstration does, beside a stand-in for a
    model. An agent that reports to no controller, such as glances, is installed and verified.

    No system package is installed. At the end nothing is left, unless you say --keep; an image
    that podman or docker had to fetch stays in its own cache.

    \b
    Examples:
      toolkit demo
      toolkit demo --keep
      toolkit demo --on folder
      toolkit demo --agent glances
    """
    if image is not None and on == FOLDER:
        raise UsageError("--image is for a container", hint="leave it or --on folder out")
    spec = load_agent(agent, project)
    steps = iter(range(1, 100))
    all_as_ctrl_c()
    story = with_controller if has_controller(spec) else alone
    with progress() as bars:
        tell = Teller(
            step=lambda text: click.secho(f"\n{next(steps)}. {text}", bold=True),
            line=lambda text: click.echo(f"   {text}"),
            progress=bars,
        )
        with story(Show(spec, project, Wishes(on, image, keep), tell)) as shown:
            _require(spec.name, shown.verdict)
            if shown.page is None:
                _print_alone(shown)
            else:
                _print_page(shown, shown.page)
                click.echo("taking it all away ...")
    if not keep:
        click.echo("It is gone again. To look around: make demo ARGS=--keep")


def _require(agent: str, verdict: Verdict) -> None:
    print_verdict(verdict)
    if not verdict.holds:
        raise ContractError(
            f"{agent} does not run as its release promises",
            why="; ".join(f"{check.name}: {check.found}" for check in verdict.failed),
            hint="docs/verify.md says what each check means",
        )
    click.echo()


def _print_alone(shown: Shown) -> None:
    if not shown.removal:
        click.echo(f"It answered at {shown.address}")
        return
    click.echo(f"It runs: {shown.address}")
    _print_commands(shown)
    click.echo(f"  {shown.removal}  # take it away")


def _print_commands(shown: Shown) -> None:
    for command, purpose in shown.commands:
        click.echo(f"  {command}  # {purpose}")


def _print_page(shown: Shown, page: Page) -> None:
    table = Table("agent", "state", "version", "last heartbeat", title_justify="left")
    table.title = Text(f"The fleet page, {page.address}")
    row = page.row
    beat = _ago(row.beat, datetime.now(UTC))
    table.add_row(row.name, Text(row.liveness, "green"), row.version, beat)
    Console().print(table)
    if page.password is None:
        return
    click.echo(f"Log in at {page.address} as {page.email}; the password is in {page.password}")
    click.echo(f"The agent answers at {shown.address}")
    _print_commands(shown)
    click.echo("Ctrl-C ends the agent, the controller and the model, and takes all away.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo()


def _ago(moment: str, now: datetime) -> str:
    seconds = int((now - datetime.fromisoformat(moment)).total_seconds())
    return f"{max(seconds, 0)} s ago"
