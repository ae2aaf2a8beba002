"""`toolkit keys sign`, `toolkit keys publish` and `--propose`: keys on several machines."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli import options, trusted
from toolkit.cli.output import print_json
from toolkit.cli.trusted import Desk, Passphrases, open_keyring, signing

if TYPE_CHECKING:
    from toolkit.trust.model import Draft, Repository
    from toolkit.trust.proposal import Proposal

_FILE = click.Path(path_type=Path, dir_okay=False)
_KEYID = 12


def write(desk: Desk, current: Repository, draft: Draft, file: Path, *, as_json: bool) -> None:
    """Write what is proposed to `file`, and say who must sign it."""
    from toolkit import split

    proposal = split.propose(desk.at, desk.ring, current, draft)
    _save(proposal, file)
    _show(proposal, file, as_json=as_json, with_changes=True)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--yes", is_flag=True, help="Sign without being asked whether to.")
@trusted.passphrase_option
@options.project
@options.as_json
def sign(*, file: Path, yes: bool, passphrase_fd: int | None, project: Path, as_json: bool) -> None:
    """Sign a proposal by the keys that are here, after showing what it changes.

    It needs no store and no network: it goes by keys/root.json of this project.

    \b
    Examples:
      toolkit keys sign change.json
    """
    if as_json and not yes:
        raise click.UsageError("--json goes with --yes: a machine can't be asked")
    from toolkit import split

    ring = open_keyring(project, Passphrases(passphrase_fd))
    proposal = split.read(file, ring)
    if not yes:
        _show(proposal, file, as_json=False, with_changes=True)
        click.confirm("sign this?", abort=True)
    signed = split.sign(ring, proposal)
    _save(signed, file)
    _show(signed, file, as_json=as_json, with_changes=yes)


@click.command()
@click.argument("files", type=_FILE, metavar="FILE...", nargs=-1, required=True)
@options.as_json
@signing
def publish(desk: Desk, *, files: tuple[Path, ...], as_json: bool) -> None:
    """Publish a proposal that enough keys have signed; several FILEs are copies signed apart.

    The keys of snapshot and timestamp must be here, and those of agents that it gives new keys.

    \b
    Examples:
      toolkit keys publish change.json
      toolkit keys publish --to production change-of-alice.json change-of-bob.json
    """
    from toolkit import split

    changed = split.publish(desk.at, desk.ring, files)
    versions = {role: payload.version for role, payload in changed.payloads()}
    if as_json:
        print_json({"versions": versions})
        return
    click.echo(f"published: root {versions['root']}, targets {versions['targets']}")
    click.echo(f"Commit {desk.ring.folder}/root.json where it changed.")


def _save(proposal: Proposal, file: Path) -> None:
    from toolkit.trust.proposal import dump

    part = file.with_name(f".{file.name}.part")
    part.write_bytes(dump(proposal))
    part.replace(file)


def _show(proposal: Proposal, file: Path, *, as_json: bool, with_changes: bool) -> None:
    from toolkit.trust.proposal import changes, signatures

    every = tuple(signatures(proposal))
    if as_json:
        rows = [{**asdict(one), "lacking": one.lacking} for one in every]
        lines = list(changes(proposal))
        print_json({"file": str(file), "changes": lines, "signatures": rows})
        return
    if with_changes:
        click.echo(f"{file} changes:")
        for line in changes(proposal):
            click.echo(f"  {line}")
    for one in every:
        of = f"{len(one.by)} of {one.threshold} signatures"
        left = ", ".join(key[:_KEYID] for key in one.missing)
        whose = "" if one.whose == "its" else f" by the {one.whose} keys"
        click.echo(f"{one.role}: {of}{whose}" + (f"; may sign: {left}" if one.lacking else ""))
    enough = not any(one.lacking for one in every)
    todo = f"toolkit keys publish {file}" if enough else f"have it signed: toolkit keys sign {file}"
    click.echo(todo if not enough else f"enough have signed: {todo}")
