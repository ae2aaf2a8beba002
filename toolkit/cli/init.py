"""`toolkit init` and `toolkit schema`: how a person begins."""

from __future__ import annotations

import json
from pathlib import Path

import click

from toolkit.cli.options import project as project_option
from toolkit.init import init as write_agent_file
from toolkit.spec import AgentSpec


@click.command()
@project_option
def init(project: Path) -> None:
    """Write a commented release/<agent>.toml for the agent in this folder.

    package.json and pyproject.toml are recognised. A file that is there is never overwritten.

    \b
    Examples:
      toolkit init
      toolkit init --project ~/src/my-agent
    """
    path = write_agent_file(project)
    click.echo(f"wrote {path}; read it through, then run:")
    click.echo(f"  toolkit lock {path.stem}")
    click.echo(f"  toolkit release {path.stem}")


@click.command()
def schema() -> None:
    """Print the JSON Schema of release/<agent>.toml, for editors.

    \b
    Example:
      toolkit schema > release/agent.schema.json
    """
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """Give the schema as release/agent.schema.json holds it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **AgentSpec.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"
