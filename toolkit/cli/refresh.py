"""`toolkit refresh`: sign anew what would expire."""

from __future__ import annotations

from pathlib import Path

import click

from toolkit.cli import options, proposals, trusted
from toolkit.cli.output import print_json
from toolkit.cli.trusted import Desk, signing, warn
from toolkit.errors import TrustError


@click.command()
@click.argument("roles", metavar="[ROLE]...", nargs=-1)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Make snapshot and timestamp anew, of what the other roles' own keys have signed.",
)
@trusted.propose
@options.as_json
@signing
def refresh(
    desk: Desk,
    *,
    roles: tuple[str, ...],
    rebuild: bool,
    proposal: Path | None,
    as_json: bool,
) -> None:
    """Sign anew what is near its end, as far as no passphrase is needed; or just each ROLE.

    Let a timer run it a few times a day: docs/keys.md has one.

    \b
    Examples:
      toolkit refresh
      toolkit refresh root targets       asks for the passphrases of their keys
      toolkit refresh targets --propose renewal.json
      toolkit refresh --rebuild          after a stolen online key, or a deleted timestamp
    """
    if rebuild and roles:
        raise click.UsageError("--rebuild signs snapshot and timestamp, and no other role")
    if proposal and (not roles or not {"root", "targets"}.issuperset(roles)):
        raise click.UsageError("--propose is for root and targets: name one of them, or both")
    from toolkit import refresh as story
    from toolkit.repository import require

    at, ring = desk.at, desk.ring
    if proposal:
        current = require(at.store, ring.trusted_root())
        draft = story.plan(current, at, ring, roles)
        proposals.write(desk, current, draft, proposal, as_json=as_json)
        return
    done = story.rebuild_all(at, ring) if rebuild else story.refresh(at, ring, roles)
    waiting = tuple(f"{one}; run `toolkit refresh {one.role}` with its key" for one in done.waiting)
    if as_json:
        print_json({"signed": done.signed, "waiting": [one.role for one in done.waiting]})
    else:
        signed = ", ".join(done.signed) or "nothing, since nothing is near its end"
        click.echo(f"signed anew: {signed}")
        warn(waiting)
    expired = [one for one in done.waiting if one.expired]
    if expired:
        raise TrustError(
            "; ".join(str(one) for one in expired),
            why="hosts refuse the store until this is signed anew, and its key is not at hand here",
            hint=f"toolkit refresh {' '.join(one.role for one in expired)}, with the keys of these",
        )
