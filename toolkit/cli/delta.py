"""`toolkit delta`: make small files for hosts that have an older version."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli import options, trusted
from toolkit.cli.output import print_json, progress
from toolkit.delta import Made, Wanted, make_deltas
from toolkit.stores import open_store, select


@click.command()
@click.argument("name")
@click.argument("version")
@click.option("--base", "bases", multiple=True, help="Start from this version; may be repeated.")
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Without --base: start from this many versions before VERSION.",
)
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder that has the tarballs of all of them.  [default: release/dist]",
)
@click.option(
    "--channel",
    metavar="CHANNEL",
    help="Let --last count the versions that this channel had, by the store's metadata.",
)
@trusted.store_option
@options.project
@options.as_json
def delta(
    *,
    name: str,
    version: str,
    bases: tuple[str, ...],
    last: int,
    folder: Path | None,
    channel: str | None,
    store: str | None,
    project: Path,
    as_json: bool,
) -> None:
    """Make the files that turn older versions of the agent NAME into VERSION.

    A host that has an older version fetches such a file in place of the whole tarball. It
    stands beside the tarballs, with a .json that tells of it. Where it would be more than
    half of the tarball, none is written.

    \b
    Examples:
      toolkit delta verdaccio 6.10.5
      toolkit delta verdaccio 6.10.5 --base 6.10.4 --base 6.9.0
      toolkit delta verdaccio 6.10.5 --last 5 --from /srv/releases
      toolkit delta verdaccio 6.10.5 --channel stable     what its hosts have now
    """
    if bases and channel:
        raise click.UsageError("name versions by --base, or a channel that had them")
    recent = _recent(name, channel, project, store) if channel else None
    wanted = Wanted(name, version, bases, last, recent)
    with progress(quiet=as_json) as bars:
        results = list(make_deltas(wanted, folder or project / "release" / "dist", bars))
    if as_json:
        print_json([_row(made) for made in results])
    else:
        _show(results)


def _recent(name: str, channel: str, project: Path, store: str | None) -> tuple[str, ...]:
    """Give the versions that hosts of the channel may have, by the store's verified metadata."""
    from toolkit import channels, repository

    ring = trusted.open_keyring(project, trusted.Passphrases(None))
    at = open_store(select(store, project).config, project)
    current = repository.require(at, ring.trusted_root())
    return channels.recent(repository.catalog_of(current, name), channel)


def _row(made: Made) -> dict[str, object]:
    return {
        "artifact": made.artifact.tarball,
        "from": made.delta.base.version,
        "path": str(made.path) if made.path else None,
        "size": made.delta.file.size,
        "sha256": made.delta.file.sha256,
        "whole": made.whole,
    }


def _show(results: list[Made]) -> None:
    for made in results:
        share = made.delta.file.size / made.whole
        base = made.delta.base.version
        if made.path:
            click.echo(f"{made.path.name}  {made.delta.file.size / 1e3:.1f} kB, {share:.2%}")
        else:
            click.echo(f"{made.artifact.stem}: from {base} it is {share:.0%}; none was written")
    if not results:
        click.echo("there is no older version here")
