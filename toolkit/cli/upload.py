"""`toolkit upload`: publish a built release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich import filesize

from toolkit import engine
from toolkit.cli import options
from toolkit.cli.output import print_json, progress
from toolkit.publish import Publication, hand_over, prepare, publish
from toolkit.spec import AgentSpec
from toolkit.store import DirectoryStore, Store
from toolkit.store_config import CustomConfig, StoreConfig
from toolkit.stores import open_store, select
from toolkit.uploads import Upload


@click.command()
@click.argument("name")
@click.argument("version", required=False)
@click.option(
    "--to",
    "store",
    metavar="STORE",
    help="A store of toolkit.toml.  [default: its default_store, else the CDN_* variables]",
)
@click.option(
    "--from",
    "dist",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the built release is.  [default: release/dist]",
)
@options.project
@options.as_json
def upload(
    *,
    name: str,
    version: str | None,
    store: str | None,
    dist: Path | None,
    project: Path,
    as_json: bool,
) -> None:
    """Publish the built release NAME, with the agentctl that installs it.

    Versioned files go first and never change; `latest` goes last. Each file is read back and
    compared. Run it again after an interruption: what has arrived is not sent again.

    \b
    Examples:
      toolkit upload glances
      toolkit upload glances 4.5.8 --to production
      CDN_TYPE=custom toolkit upload glances       say what to copy where
    """
    spec = options.load_agent(name, project)
    selection = select(store, project)
    folder = DirectoryStore(dist or project / "release" / "dist")
    publication = _publication(spec, version)
    with progress(quiet=as_json) as bars:
        prepared = prepare(publication, folder, bars)
        if isinstance(selection.config, CustomConfig):
            hand_over(prepared.uploads, folder, bars)
            rows = [_row(file, selection.config, folder, "copy") for file in prepared.uploads]
        else:
            target = open_store(selection.config, project)
            published = publish(prepared.uploads, target, bars)
            rows = [_row(one.upload, selection.config, target, one.action) for one in published]
    notes = (*selection.warnings, *prepared.notes)
    if as_json:
        head = {"store": selection.name, "name": publication.agent, "version": publication.version}
        print_json({**head, "files": rows, "notes": notes})
        return
    if isinstance(selection.config, CustomConfig):
        _print_instructions(rows)
    else:
        _print_table(rows)
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _publication(spec: AgentSpec, version: str | None) -> Publication:
    agentctl = engine.build()
    return Publication(
        spec.name,
        version or spec.release_version,
        tuple(spec.platforms),
        extra=((agentctl.name, agentctl.data),),
    )


def _row(file: Upload, config: StoreConfig, holder: Store, action: str) -> dict[str, Any]:
    """Say of a file what it is and where: in the store, or for custom ones on this machine."""
    return {
        "name": file.name,
        "key": config.key(file.name),
        "location": holder.locate(file.name),
        "url": config.file_url(file.name),
        "size": file.size,
        "sha256": file.sha256,
        "content_type": file.content_type,
        "cache_control": file.cache_control,
        "action": str(action),
    }


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    # Plain lines: a table of rich's would cut hashes and addresses to the terminal's width.
    for row in rows:
        size = filesize.decimal(row["size"])
        address = row["url"] or row["location"]
        click.echo(f"{row['action']:<9}  {size:>10}  {row['sha256']}  {address}")


def _print_instructions(rows: Sequence[dict[str, Any]]) -> None:
    click.echo("Copy these files to your store, in this order:")
    for row in rows:
        click.echo(f"\n  {row['location']}")
        click.echo(f"    to             {row['key']}")
        if row["url"]:
            click.echo(f"    URL            {row['url']}")
        click.echo(f"    Content-Type   {row['content_type']}")
        click.echo(f"    Cache-Control  {row['cache_control']}")
        click.echo(f"    SHA-256        {row['sha256']}")
    click.echo(
        "\nSet no Content-Encoding. What is immutable must never change once it is there; "
        "`latest` goes last."
    )
