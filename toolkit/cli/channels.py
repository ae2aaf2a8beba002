"""`toolkit promote`, `rollback`, `yank`, `prune`: what hosts run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli import options
from toolkit.cli.output import print_json, progress
from toolkit.cli.trusted import Desk, signing

if TYPE_CHECKING:
    from toolkit.trust.catalog import Catalog


_channel = click.option(
    "--channel",
    required=True,
    metavar="CHANNEL",
    callback=options.known_channel,
    help="The channel, such as stable or beta.",
)


@click.command()
@click.argument("name")
@click.argument("version")
@_channel
@click.option(
    "--percent",
    type=click.IntRange(1, 100),
    default=100,
    show_default=True,
    help="For this part of the hosts; the others keep the version before.",
)
@options.as_json
@signing
def promote(
    desk: Desk,
    *,
    name: str,
    version: str,
    channel: str,
    percent: int,
    as_json: bool,
) -> None:
    """Point a channel at a VERSION of the agent NAME that was uploaded.

    \b
    Examples:
      toolkit promote glances 4.5.9 --channel beta
      toolkit promote glances 4.5.9 --channel stable --percent 10
      toolkit promote glances 4.5.9 --channel stable
    """
    from toolkit import channels, repository

    at = desk.at
    moved = repository.move(
        at, name, lambda one: channels.promote(one, version, channel, percent, at.now)
    )
    _say(repository.catalog_of(moved, name), channel, as_json=as_json)


@click.command()
@click.argument("name")
@_channel
@click.option(
    "--from",
    "bad",
    metavar="VERSION",
    help="Only where this version is the one to take back; run it again as often as you like.",
)
@options.as_json
@signing
def rollback(
    desk: Desk,
    *,
    name: str,
    channel: str,
    bad: str | None,
    as_json: bool,
) -> None:
    """Take a staged rollout back, else point the channel at the version before.

    \b
    Examples:
      toolkit rollback glances --channel stable
      toolkit rollback glances --channel stable --from 4.5.9      safe to run again
    """
    from toolkit import channels, repository

    at = desk.at
    moved = repository.move(at, name, lambda one: channels.rollback(one, channel, at.now, bad))
    _say(repository.catalog_of(moved, name), channel, as_json=as_json)


@click.command()
@click.argument("name")
@click.argument("version")
@click.option("--reason", help="Why, for whoever runs into it.")
@click.option("--undo", is_flag=True, help="Let hosts install it again.")
@options.as_json
@signing
def yank(
    desk: Desk,
    *,
    name: str,
    version: str,
    reason: str | None,
    undo: bool,
    as_json: bool,
) -> None:
    """Say that nobody should install VERSION; channels that point at it are rolled back.

    \b
    Examples:
      toolkit yank glances 4.5.9 --reason "loses its settings"
      toolkit yank glances 4.5.9 --undo       it does not; channels stay where they are now
    """
    if undo == (reason is not None):
        raise click.UsageError("say why by --reason, or take a yank back by --undo")
    from toolkit import channels, repository

    at = desk.at

    def change(one: Catalog) -> Catalog:
        if reason is None:
            return channels.unyank(one, version, at.now)
        return channels.yank(one, version, reason, at.now)

    catalog = repository.catalog_of(repository.move(at, name, change), name)
    yanked = catalog.yanked(version)
    if as_json:
        print_json({"name": name, "version": version, "yanked": yanked, **_pointers(catalog)})
        return
    click.echo(f"{name} {version} is {'not yanked' if yanked is None else f'yanked: {yanked}'}")
    for channel in channels.channels(catalog):
        click.echo(_sentence(catalog, channel))


@click.command()
@click.argument("name")
@click.option(
    "--keep", type=click.IntRange(min=0), required=True, help="How many of the newest stay."
)
@click.option("--plan", "only_plan", is_flag=True, help="Say what would go; delete nothing.")
@options.as_json
@signing
def prune(
    desk: Desk,
    *,
    name: str,
    keep: int,
    only_plan: bool,
    as_json: bool,
) -> None:
    """Delete old versions of the agent NAME: never what a channel or a rollback of it needs.

    \b
    Examples:
      toolkit prune glances --keep 10 --plan
      toolkit prune glances --keep 10
    """
    from toolkit import prune as prune_story

    at = desk.at
    if only_plan:
        gone = prune_story.foresee(at, name, keep)
    else:
        with progress(quiet=as_json) as bars:
            gone = prune_story.prune(at, name, keep, bars)
    if as_json:
        print_json({"name": name, "plan": only_plan, **asdict(gone)})
        return
    would = "would be " if only_plan else ""
    for version in gone.versions:
        click.echo(f"{name} {version} {would}taken out of the metadata")
    for file in gone.files:
        click.echo(f"{file} {would}deleted")
    if not gone.versions and not gone.files:
        click.echo("nothing to prune")


def _say(catalog: Catalog, channel: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": catalog.agent, **_pointers(catalog)})
    else:
        click.echo(_sentence(catalog, channel))


def _pointers(catalog: Catalog) -> dict[str, Any]:
    from toolkit import channels

    every = (channels.pointer(catalog, channel) for channel in channels.channels(catalog))
    return {"channels": {one.channel: asdict(one) for one in every}}


def _sentence(catalog: Catalog, channel: str) -> str:
    from toolkit import channels

    at = channels.pointer(catalog, channel)
    text = f"{channel} of {catalog.agent} is {at.version or 'nothing'}"
    if at.staged and at.rollout:
        text += f", and {at.staged} for {at.rollout.percent} % of the hosts"
    return text
