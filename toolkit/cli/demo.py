"""`toolkit demo`: the whole story on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli.options import load_agent
from toolkit.cli.options import project as project_option
from toolkit.cli.output import progress
from toolkit.cli.verify import print_verdict
from toolkit.demo import AUTO, CONTAINER, FOLDER, Teller, Wishes
from toolkit.demo import demo as show
from toolkit.errors import ContractError


@click.command()
@click.option("--agent", default="glances", show_default=True, help="Which agent to show.")
@click.option(
    "--on",
    type=click.Choice([AUTO, CONTAINER, FOLDER]),
    default=AUTO,
    show_default=True,
    help="A systemd container, or a folder of this machine; auto: the first that there is.",
)
@click.option("--image", help="An image that boots systemd and has the user operator with sudo.")
@click.option("--keep", is_flag=True, help="Leave the agent running, to look around.")
@project_option
def demo(agent: str, on: str, image: str | None, keep: bool, project: Path) -> None:
    """Build, publish, install and verify an agent on a throwaway host.

    No system package is installed. At the end nothing is left, unless you say --keep; an image
    that podman or docker had to fetch stays in its own cache.

    \b
    Examples:
      toolkit demo
      toolkit demo --keep
      toolkit demo --on folder
    """
    spec = load_agent(agent, project)
    steps = iter(range(1, 100))
    with progress() as bars:
        tell = Teller(
            step=lambda text: click.secho(f"\n{next(steps)}. {text}", bold=True),
            line=lambda text: click.echo(f"   {text}"),
            progress=bars,
        )
        shown = show(spec, project, Wishes(on, image, keep), tell)
    print_verdict(shown.verdict)
    if not shown.verdict.holds:
        raise ContractError(
            f"{spec.name} does not run as its release promises",
            why="; ".join(f"{check.name}: {check.found}" for check in shown.verdict.failed),
            hint="docs/verify.md says what each check means",
        )
    click.echo()
    if not shown.kept:
        click.echo(f"It answered at {shown.address} and is gone again. To look around:")
        click.echo("  make demo ARGS=--keep")
        return
    click.echo(f"It runs: {shown.address}")
    for command, purpose in shown.commands:
        click.echo(f"  {command}  # {purpose}")
