"""`toolkit keys`: who may sign for what hosts trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli import options, proposals, trusted
from toolkit.cli.output import print_json
from toolkit.cli.trusted import Desk, reading, signing, warn

if TYPE_CHECKING:
    from toolkit.ceremony import RoleKeys
    from toolkit.trust.model import Repository
    from toolkit.trust.rotate import KeyChange

_KEYID = 12


@click.group()
def keys() -> None:
    """Make, show, add, revoke and rotate the keys that sign release metadata."""


@keys.command()
@click.option(
    "--agent", "agents", multiple=True, metavar="NAME", help="Make a role for it (repeat it)."
)
@click.option(
    "--root-keys",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="How many root keys to make: with a spare one, a lost key can be replaced.",
)
@click.option(
    "--threshold",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many root keys must sign.",
)
@options.as_json
@signing
def init(
    desk: Desk,
    *,
    agents: tuple[str, ...],
    root_keys: int,
    threshold: int,
    as_json: bool,
) -> None:
    """Make all keys, and publish the first metadata: docs/keys.md says how to go about it.

    The keys of root and targets are encrypted; take them offline afterwards.

    \b
    Examples:
      toolkit keys init --agent glances
      toolkit keys init --to production --agent glances --root-keys 3 --threshold 2
    """
    from toolkit import ceremony

    at, ring = desk.at, desk.ring
    made = ceremony.begin(
        at, ring, ceremony.Beginning(agents, root_keys, threshold), desk.passphrases.new
    )
    _print(ceremony.describe(ring, made), as_json=as_json)
    warn(ceremony.notes(made))
    if not as_json:
        click.echo(f"\nHosts trust {ring.folder}/root.json: commit it, and the .pub files.")
        click.echo("Move root-*.pem and targets-*.pem offline, each root key to another place.")


@keys.command()
@options.as_json
@reading
def show(desk: Desk, *, as_json: bool) -> None:
    """Show each role: its keys, where they are, how many must sign, and until when.

    \b
    Examples:
      toolkit keys show
      toolkit keys show --to production --json
    """
    from toolkit import ceremony

    at, ring = desk.at, desk.ring
    _print(ceremony.show(at, ring), as_json=as_json)


@keys.command()
@click.argument("role")
@click.argument("uris", metavar="[URI]...", nargs=-1)
@click.option("--new", is_flag=True, help="Make the key, in the key folder.")
@trusted.threshold
@trusted.propose
@options.as_json
@signing
def add(
    desk: Desk,
    *,
    role: str,
    uris: tuple[str, ...],
    new: bool,
    threshold: int | None,
    proposal: Path | None,
    as_json: bool,
) -> None:
    """Let another key sign for ROLE: root, targets, snapshot, timestamp, agentctl or an agent.

    An agent that has no role yet gets one. URI names a key that there is: file:PATH, env:VARIABLE,
    hashivault:NAME, awskms:, gcpkms: or azurekms:.

    \b
    Examples:
      toolkit keys add glances --new
      toolkit keys add timestamp env:TOOLKIT_TIMESTAMP_KEY
      toolkit keys add root --new --threshold 2
    """
    if new == bool(uris):
        raise click.UsageError("name a key by its URI, or have one made by --new")
    from toolkit import ceremony

    current = _current(desk, [role] if new and not proposal else [])
    if new:
        change = ceremony.adding_new(desk.ring, role, desk.passphrases.new)
    else:
        change = ceremony.adding(desk.ring, role, uris)
    changes = [replace(change, threshold=threshold)]
    _do(desk, current, changes, Order(proposal, {role: uris}, as_json))


@keys.command()
@click.argument("role")
@click.argument("keyids", metavar="KEYID...", nargs=-1, required=True)
@trusted.threshold
@trusted.propose
@options.as_json
@signing
def revoke(
    desk: Desk,
    *,
    role: str,
    keyids: tuple[str, ...],
    threshold: int | None,
    proposal: Path | None,
    as_json: bool,
) -> None:
    """Let keys of ROLE sign no more; KEYID is the beginning of a key's id.

    \b
    Examples:
      toolkit keys revoke root 3f2a9c
      toolkit keys revoke glances 71b0 --threshold 1
    """
    from toolkit import ceremony

    current = _current(desk, [])
    change = replace(ceremony.revoking(current, role, keyids), threshold=threshold)
    _do(desk, current, [change], Order(proposal, {}, as_json))


@keys.command()
@click.argument("roles", metavar="ROLE...", nargs=-1, required=True)
@trusted.propose
@options.as_json
@signing
def rotate(
    desk: Desk,
    *,
    roles: tuple[str, ...],
    proposal: Path | None,
    as_json: bool,
) -> None:
    """Put new keys in the place of all keys of each ROLE.

    \b
    Examples:
      toolkit keys rotate glances
      toolkit keys rotate snapshot timestamp       both were on a machine that was broken into
      toolkit keys rotate timestamp --propose change.json
    """
    from toolkit import ceremony

    every = tuple(dict.fromkeys(roles))
    current = _current(desk, () if proposal else every)
    changes = ceremony.rotating(current, desk.ring, every, desk.passphrases.new)
    used = {role: desk.ring.added(role) for role in roles}
    _do(desk, current, changes, Order(proposal, used, as_json))


keys.add_command(proposals.sign)
keys.add_command(proposals.publish)


@dataclass(frozen=True)
class Order:
    """What to do with changes: publish them, or write them to `proposal`; `used` are their keys."""

    proposal: Path | None
    used: Mapping[str, tuple[str, ...]]
    as_json: bool


def _current(desk: Desk, roles: Sequence[str]) -> Repository:
    """Load the current set, and open what a change of the keys of `roles` needs."""
    from toolkit import ceremony
    from toolkit.repository import require

    current = require(desk.at.store, desk.ring.trusted_root())
    if roles:
        ceremony.ready(current, desk.ring, roles)
    return current


def _do(desk: Desk, current: Repository, changes: Sequence[KeyChange], order: Order) -> None:
    from toolkit import ceremony
    from toolkit.trust.rotate import change_keys

    at, ring = desk.at, desk.ring
    if order.proposal:
        draft = change_keys(current, changes)
        proposals.write(desk, current, draft, order.proposal, as_json=order.as_json)
        notes: tuple[str, ...] = ()
    else:
        changed = ceremony.change(at, ring, changes)
        _print(ceremony.describe(ring, changed), as_json=order.as_json)
        notes = ceremony.notes(changed)
    to_do = (ring.to_do(role, uri) for role, uris in order.used.items() for uri in uris)
    warn((*(each for each in to_do if each), *notes))


def _print(roles: tuple[RoleKeys, ...], *, as_json: bool) -> None:
    if as_json:
        rows = [{**asdict(one), "expires": one.expires.isoformat()} for one in roles]
        print_json({"roles": rows})
        return
    for one in roles:
        until = one.expires.strftime("%Y-%m-%d %H:%M UTC")
        of = f"{one.threshold} of {len(one.keys)}"
        click.echo(f"{one.role:<12}  version {one.version:<4}  {of:<7}  expires {until}")
        for key in one.keys:
            where = ", ".join(key.places) or "not on this machine"
            click.echo(f"    {key.keyid[:_KEYID]}  {key.kind}  {where}")
