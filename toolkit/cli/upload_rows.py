"""What `toolkit upload` says of each file: in rows for a machine, and in words for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich import filesize

from toolkit.publish import Action
from toolkit.store import Store
from toolkit.store_config import StoreConfig
from toolkit.uploads import Upload

_WOULD = {
    Action.SENT: "send",
    Action.REPLACED: "replace",
    Action.UNCHANGED: "unchanged",
    Action.KEPT: "keep the one that is there",
    Action.CONFLICT: "CONFLICT (there with other bytes; nothing would be sent)",
}
Row = dict[str, Any]


def row(file: Upload, config: StoreConfig, holder: Store, action: str) -> Row:
    """Say of a file what it is and where: in the store, or for custom ones on this machine."""
    return {
        "name": file.name,
        "key": config.key(file.name),
        "location": holder.locate(file.name),
        "url": config.file_url(file.name),
        # Metadata that is not signed yet has neither.
        "size": file.size if file.sha256 else None,
        "sha256": file.sha256 or None,
        "content_type": file.content_type,
        "cache_control": file.cache_control,
        "precondition": file.precondition,
        "action": str(action),
    }


def show(rows: Sequence[Row], *, by_hand: bool, only_plan: bool) -> None:
    """Print what was done with each file, or would be, or is to be done by hand."""
    if by_hand:
        _print_instructions(rows)
    elif only_plan:
        _print_plan(rows)
    else:
        _print_table(rows)


def _print_plan(rows: Sequence[Row]) -> None:
    for one in rows:
        click.echo(f"{_WOULD[one['action']]}  {one['key']}")
        if one["sha256"]:
            click.echo(f"    size           {one['size']} bytes")
            click.echo(f"    SHA-256        {one['sha256']}")
        else:
            click.echo("    size, SHA-256  known when it is signed")
        click.echo(f"    Content-Type   {one['content_type']}")
        click.echo(f"    Cache-Control  {one['cache_control']}")
        click.echo(f"    condition      {one['precondition'] or 'none'}")
    click.echo("Nothing was written.")


def _print_table(rows: Sequence[Row]) -> None:
    # Plain lines: a table of rich's would cut hashes and addresses to the terminal's width.
    for one in rows:
        size = filesize.decimal(one["size"])
        address = one["url"] or one["location"]
        click.echo(f"{one['action']:<9}  {size:>10}  {one['sha256']}  {address}")


def _print_instructions(rows: Sequence[Row]) -> None:
    click.echo("Copy these files to your store, in this order:")
    for one in rows:
        click.echo(f"\n  {one['location']}")
        click.echo(f"    to             {one['key']}")
        if one["url"]:
            click.echo(f"    URL            {one['url']}")
        click.echo(f"    Content-Type   {one['content_type']}")
        click.echo(f"    Cache-Control  {one['cache_control']}")
        click.echo(f"    SHA-256        {one['sha256']}")
    click.echo(
        "\nSet no Content-Encoding. What is immutable must never change once it is there; "
        "`latest` goes last."
    )
