"""`toolkit keys`: who may sign for what hosts trust."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from toolkit.cli import options, trusted
from toolkit.cli.output import print_json
from toolkit.cli.trusted import Desk, reading, signing, warn

if TYPE_CHECKING:
    from toolkit.ceremony import RoleKeys
    from toolkit.keyring import Keyring
    from toolkit.trust.model import Repository

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
    _print(ceremony.show(at, ring), as_json=as_json)
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
@options.as_json
@signing
def add(
    desk: Desk,
    *,
    role: str,
    uris: tuple[str, ...],
    new: bool,
    threshold: int | None,
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

    at, ring = desk.at, desk.ring
    if new:
        changed = ceremony.add_new(at, ring, role, desk.passphrases.new, threshold)
    else:
        changed = ceremony.add(at, ring, role, uris, threshold)
    _print(ceremony.show(at, ring), as_json=as_json)
    _remind(ring, changed, {role: uris})


@keys.command()
@click.argument("role")
@click.argument("keyids", metavar="KEYID...", nargs=-1, required=True)
@trusted.threshold
@options.as_json
@signing
def revoke(
    desk: Desk,
    *,
    role: str,
    keyids: tuple[str, ...],
    threshold: int | None,
    as_json: bool,
) -> None:
    """Let keys of ROLE sign no more; KEYID is the beginning of a key's id.

    \b
    Examples:
      toolkit keys revoke root 3f2a9c
      toolkit keys revoke glances 71b0 --threshold 1
    """
    from toolkit import ceremony

    at, ring = desk.at, desk.ring
    changed = ceremony.revoke(at, ring, role, keyids, threshold)
    _print(ceremony.show(at, ring), as_json=as_json)
    _remind(ring, changed, {})


@keys.command()
@click.argument("roles", metavar="ROLE...", nargs=-1, required=True)
@options.as_json
@signing
def rotate(
    desk: Desk,
    *,
    roles: tuple[str, ...],
    as_json: bool,
) -> None:
    """Put new keys in the place of all keys of each ROLE.

    \b
    Examples:
      toolkit keys rotate glances
      toolkit keys rotate snapshot timestamp       both were on a machine that was broken into
    """
    from toolkit import ceremony

    at, ring = desk.at, desk.ring
    changed = ceremony.rotate(at, ring, tuple(dict.fromkeys(roles)), desk.passphrases.new)
    _print(ceremony.show(at, ring), as_json=as_json)
    _remind(ring, changed, {role: ring.added(role) for role in roles})


def _remind(ring: Keyring, changed: Repository, used: dict[str, tuple[str, ...]]) -> None:
    from toolkit import ceremony

    to_do = (ring.to_do(role, uri) for role, uris in used.items() for uri in uris)
    warn((*(each for each in to_do if each), *ceremony.notes(changed)))


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
