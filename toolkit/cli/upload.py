"""`toolkit upload`: publish a built release."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import click
from rich import filesize

from toolkit import engine
from toolkit.cli import options
from toolkit.cli.output import print_json, progress
from toolkit.cli.trusted import Passphrases, open_keyring
from toolkit.errors import ConfigError, ConflictError
from toolkit.progress import Progress
from toolkit.publish import (
    Action,
    Commit,
    Manner,
    Publication,
    Published,
    foresee,
    hand_over,
    prepare,
    publish,
)
from toolkit.spec import AgentSpec
from toolkit.store import DirectoryStore, Store
from toolkit.store_config import Acl, CustomConfig, S3Config, StoreConfig
from toolkit.stores import open_store, read_toolkit_file, select
from toolkit.uploads import Upload

_WOULD = {
    Action.SENT: "send",
    Action.REPLACED: "replace",
    Action.UNCHANGED: "unchanged",
    Action.KEPT: "keep the one that is there",
    Action.CONFLICT: "CONFLICT (there with other bytes; nothing would be sent)",
}


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
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be done; write nothing.")
@click.option(
    "--verify-all",
    is_flag=True,
    help="Read every file that is there already, and do not trust the SHA-256 beside it.",
)
@click.option(
    "--acl",
    type=click.Choice(get_args(Acl)),
    help="Set this canned ACL on each file.  [default: `acl` of the store, else none]",
)
@click.option(
    "--allow-races",
    is_flag=True,
    help="Publish to a store without conditional writes too: see `toolkit doctor`.",
)
@options.project
@options.as_json
def upload(
    *,
    name: str,
    version: str | None,
    store: str | None,
    dist: Path | None,
    only_plan: bool,
    verify_all: bool,
    acl: Acl | None,
    allow_races: bool,
    project: Path,
    as_json: bool,
) -> None:
    """Publish the built release NAME, with the agentctl that installs it.

    Versioned files go first and never change. Where keys are set up, the metadata that vouches for
    them is signed then. `latest` goes last. Each file that was sent is read back and compared.
    Run it again after an interruption: what has arrived is not sent again.

    \b
    Examples:
      toolkit upload glances
      toolkit upload glances 4.5.8 --to production
      toolkit upload glances --plan                say what would be done
      CDN_TYPE=custom toolkit upload glances       say what to copy where
    """
    spec = options.load_agent(name, project)
    selection = select(store, project)
    config = _with_acl(selection.config, acl)
    folder = DirectoryStore(dist or project / "release" / "dist")
    publication = _publication(spec, version)
    with progress(quiet=as_json) as bars, ThreadPoolExecutor(1) as pool:
        # botocore's start takes as long as the hash of a tarball, and needs another CPU.
        opening = pool.submit(open_store, config, project, allow_races=allow_races)
        prepared = prepare(publication, folder, bars)
        if isinstance(config, CustomConfig):
            if not only_plan:
                hand_over(prepared.uploads, folder, bars)
            rows = [_row(file, config, folder, "copy") for file in prepared.uploads]
        else:
            target = opening.result()
            do = foresee if only_plan else publish
            commit = None if only_plan else _signer(project, target, publication, bars)
            done = do(prepared.uploads, target, bars, Manner(verify_all, commit))
            rows = [_row(one.upload, config, target, one.action) for one in done]
    notes = (*selection.warnings, *prepared.notes)
    if as_json:
        head = {"store": selection.name, "name": publication.agent, "version": publication.version}
        print_json({**head, "plan": only_plan, "files": rows, "notes": notes})
    else:
        _print(rows, by_hand=isinstance(config, CustomConfig), only_plan=only_plan)
        for note in notes:
            click.echo(f"note: {note}", err=True)
    if any(row["action"] == Action.CONFLICT for row in rows):
        sys.exit(ConflictError.exit_code)


def _signer(project: Path, store: Store, publication: Publication, bars: Progress) -> Commit | None:
    """Give what signs for the files once they are up; None where no [trust] is set up."""
    file = read_toolkit_file(project)
    if file is None or file.trust is None:
        return None
    from toolkit import vouch
    from toolkit.repository import Publisher

    ring = open_keyring(project, Passphrases(None))
    at = Publisher(store, ring, datetime.now(tz=UTC))
    vouch.prepare(at, publication)

    def commit(sent: Sequence[Published]) -> None:
        vouch.vouch(at, publication, [one.upload for one in sent], bars)

    return commit


def _with_acl(config: StoreConfig, acl: Acl | None) -> StoreConfig:
    if acl is None:
        return config
    if not isinstance(config, S3Config):
        raise ConfigError(
            "this store has no ACLs",
            why=f"its type is {config.type}, and only one of type s3 can have them",
            hint="leave out --acl",
        )
    return config.model_copy(update={"acl": acl})


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
        "precondition": file.precondition,
        "action": str(action),
    }


def _print(rows: Sequence[dict[str, Any]], *, by_hand: bool, only_plan: bool) -> None:
    if by_hand:
        _print_instructions(rows)
    elif only_plan:
        _print_plan(rows)
    else:
        _print_table(rows)


def _print_plan(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(f"{_WOULD[row['action']]}  {row['key']}")
        click.echo(f"    size           {row['size']} bytes")
        click.echo(f"    SHA-256        {row['sha256']}")
        click.echo(f"    Content-Type   {row['content_type']}")
        click.echo(f"    Cache-Control  {row['cache_control']}")
        click.echo(f"    condition      {row['precondition'] or 'none'}")
    click.echo("Nothing was written.")


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
