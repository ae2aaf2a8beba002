"""`toolkit reproduce`: build a release again, and compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from toolkit.cli import options, trusted
from toolkit.cli.output import print_json, progress
from toolkit.errors import NotFoundError
from toolkit.provenance import enveloped
from toolkit.reproduce import Recorded, Reproduced, find_recorded, read_recorded
from toolkit.reproduce import reproduce as build_again
from toolkit.stores import open_store, read_toolkit_file, select


@click.command()
@click.argument("name")
@click.argument("version")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder that has the release's files.  [default: release/dist]",
)
@click.option(
    "--provenance",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The one provenance to build again.  [default: each platform's in that folder]",
)
@click.option(
    "--unsigned",
    is_flag=True,
    help="Take a statement that nobody has signed yet, such as that of a build not uploaded yet.",
)
@trusted.store_option
@options.project
@options.as_json
def reproduce(
    *,
    name: str,
    version: str,
    folder: Path | None,
    provenance: Path | None,
    unsigned: bool,
    store: str | None,
    project: Path,
    as_json: bool,
) -> None:
    """Build VERSION of the agent NAME again from its recorded commit, and compare the bytes.

    Where keys are set up, the agent's must have signed the provenance, by what the store's verified
    metadata says of them.
    Nothing is taken from the cache, and the checkout is left as it is. Where bytes differ, the
    files that do are named.

    \b
    Examples:
      toolkit reproduce glances 4.5.8
      toolkit reproduce glances 4.5.8 --from /srv/releases
      toolkit reproduce glances 4.5.8 --provenance glances-v4.5.8-linux-x64.intoto.json
    """
    recorded = (
        [_of(name, version, read_recorded(provenance))]
        if provenance
        else find_recorded(name, version, folder or project / "release" / "dist")
    )
    _check(recorded, name, project, store, unsigned=unsigned)
    with progress(quiet=as_json) as bars:
        results = [build_again(each, project, bars) for each in recorded]
    if as_json:
        print_json([_row(result) for result in results])
    else:
        _show(results)


def _check(
    recorded: Sequence[Recorded], name: str, project: Path, store: str | None, *, unsigned: bool
) -> None:
    """Hold each signature against the keys of the agent, where the project has any."""
    file = read_toolkit_file(project)
    signed = [one for one in recorded if not unsigned or enveloped(one.text)]
    if file is None or file.trust is None or not signed:
        return
    from toolkit import attest
    from toolkit.repository import require

    ring = trusted.open_keyring(project, trusted.Passphrases(None))
    at = open_store(select(store, project).config, project)
    repository = require(at, ring.trusted_root())
    for one in signed:
        attest.check(one.file, one.text, name, repository)


def _of(name: str, version: str, recorded: Recorded) -> Recorded:
    origin = recorded.provenance.origin
    if (origin.name, origin.version) != (name, version):
        raise NotFoundError(
            f"that is the provenance of {origin.name} {origin.version}, not of {name} {version}"
        )
    return recorded


def _row(result: Reproduced) -> dict[str, object]:
    origin = result.origin
    return {
        "name": origin.name,
        "version": origin.version,
        "platform": origin.platform,
        "commit": origin.commit,
        "files": result.files,
    }


def _show(results: list[Reproduced]) -> None:
    for result in results:
        click.echo(f"built again from the commit {result.origin.commit}, with the same bytes:")
        for name, sha256 in sorted(result.files.items()):
            click.echo(f"  {sha256}  {name}")
