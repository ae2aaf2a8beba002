"""`toolkit lock`: freeze what an agent is built from."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit import lock as story
from toolkit.cli import options
from toolkit.cli.output import print_json, progress


@click.command()
@click.argument("name")
@click.option("--upgrade", is_flag=True, help="Take the newest versions that fit.")
@options.project
@options.as_json
def lock(*, name: str, upgrade: bool, project: Path, as_json: bool) -> None:
    """Write the lock files of the agent NAME: every package's version and hash.

    They stand in release/locks/ and belong into version control. No address is written into
    them: npm's, pip's and uv's own settings say where packages come from.

    \b
    Examples:
      toolkit lock glances
      toolkit lock verdaccio --upgrade
    """
    spec = options.load_agent(name, project)
    with progress(quiet=as_json) as bars:
        made = list(story.lock(spec, story.Settings(project, upgrade), bars))
    if as_json:
        print_json([{"path": str(file.path), "changed": file.changed} for file in made])
        return
    for file in made:
        click.echo(f"{'written' if file.changed else 'unchanged'}  {file.path}")
    if not made:
        click.echo(f"{name} needs no lock: it is just files")
