"""`toolkit upload`: publish a built release."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from toolkit import engine
from toolkit.cli import options, trusted
from toolkit.cli.output import print_json, progress
from toolkit.cli.trusted import Passphrases, open_keyring
from toolkit.cli.upload_rows import row, show
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
from toolkit.store_config import Acl, CustomConfig, ReadBack, S3Config, StoreConfig
from toolkit.stores import open_store, read_toolkit_file, select
from toolkit.uploads import Upload

if TYPE_CHECKING:
    from toolkit.repository import Publisher


@click.command()
@click.argument("name")
@click.argument("version", required=False)
@trusted.store_option
@options.dist
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
    "--read-back",
    type=click.Choice(get_args(ReadBack)),
    help="How to make sure that a bucket has what was sent: by the SHA-256 that it compares, or by"
    " reading it all.  [default: `read_back` of the store, else checksum]",
)
@trusted.passphrase_option
@trusted.races_option
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
    read_back: ReadBack | None,
    passphrase_fd: int | None,
    allow_races: bool,
    project: Path,
    as_json: bool,
) -> None:
    """Publish the built release NAME, with the agentctl that installs it.

    Versioned files go first and never change. Where keys are set up, the metadata that vouches for
    them is signed then. `latest` goes last. A bucket that compares SHA-256s shows what it holds of
    each file that was sent; else the file is read back and compared. Run it again after an
    interruption: what has arrived is not sent again.

    \b
    Examples:
      toolkit upload glances
      toolkit upload glances 4.5.8 --to production
      toolkit upload glances --plan                say what would be done
      CDN_TYPE=custom toolkit upload glances       say what to copy where
    """
    spec = options.load_agent(name, project)
    passphrases = Passphrases(passphrase_fd)
    selection = select(store, project)
    config = _with_read_back(_with_acl(selection.config, acl), read_back, verify_all=verify_all)
    folder = DirectoryStore(dist or project / "release" / "dist")
    publication = _publication(spec, version)
    with progress(quiet=as_json) as bars, ThreadPoolExecutor(1) as pool:
        # botocore's start takes as long as the hash of a tarball, and needs another CPU.
        opening = pool.submit(open_store, config, project, allow_races=allow_races)
        prepared = prepare(publication, folder, bars)
        if isinstance(config, CustomConfig):
            if not only_plan:
                hand_over(prepared.uploads, folder, bars)
            rows = [row(file, config, folder, "copy") for file in prepared.uploads]
            notes: tuple[str, ...] = ()
        else:
            target = opening.result()
            at = _publisher(project, target, passphrases)
            work = _Work(at, publication, prepared.uploads, target)
            go = _foresee if only_plan else _publish
            done, notes = go(work, Manner(verify_all), bars)
            rows = [row(one.upload, config, target, one.action) for one in done]
    notes = (*selection.warnings, *prepared.notes, *notes)
    if as_json:
        head = {"store": selection.name, "name": publication.agent, "version": publication.version}
        print_json({**head, "plan": only_plan, "files": rows, "notes": notes})
    else:
        show(rows, by_hand=isinstance(config, CustomConfig), only_plan=only_plan)
        for note in notes:
            click.echo(f"note: {note}", err=True)
    if any(one["action"] == Action.CONFLICT for one in rows):
        sys.exit(ConflictError.exit_code)


def _publisher(project: Path, store: Store, passphrases: Passphrases) -> Publisher | None:
    """Give who signs for what is published; None where no [trust] is set up."""
    file = read_toolkit_file(project)
    if file is None or file.trust is None:
        return None
    from toolkit.repository import Publisher

    return Publisher(store, open_keyring(project, passphrases), datetime.now(tz=UTC))


@dataclass(frozen=True)
class _Work:
    """What goes where: `at` signs for it, where keys are set up."""

    at: Publisher | None
    publication: Publication
    uploads: Sequence[Upload]
    target: Store


def _foresee(
    work: _Work, manner: Manner, bars: Progress
) -> tuple[Sequence[Published], tuple[str, ...]]:
    """Say what would be done with each file; writes nothing."""
    planned = foresee(work.uploads, work.target, bars, manner)
    return _with_metadata(work.at, work.publication, planned, bars)


def _publish(
    work: _Work, manner: Manner, bars: Progress
) -> tuple[Sequence[Published], tuple[str, ...]]:
    """Send what the store lacks, and sign for it."""
    signed, commit = _vouching(work.at, work.publication, work.uploads, bars)
    return publish(signed, work.target, bars, replace(manner, commit=commit)), ()


def _vouching(
    at: Publisher | None, publication: Publication, uploads: Sequence[Upload], bars: Progress
) -> tuple[Sequence[Upload], Commit | None]:
    """Sign the provenance among `uploads`; gives these, and what signs for all once it is up."""
    if at is None:
        return uploads, None
    from toolkit import attest, vouch

    by = vouch.prepare(at, publication).delegation(publication.agent)

    def commit(sent: Sequence[Published]) -> None:
        vouch.vouch(at, publication, [one.upload for one in sent], bars)

    return attest.sign(at.signers, by, uploads), commit


def _with_metadata(
    at: Publisher | None, publication: Publication, planned: Sequence[Published], bars: Progress
) -> tuple[Sequence[Published], tuple[str, ...]]:
    """Add the metadata that would be written, before `latest`; gives notes on it, too."""
    if at is None or any(one.action is Action.CONFLICT for one in planned):
        return planned, ()
    from toolkit import attest, vouch

    lasting = [one for one in planned if one.upload.immutable]
    sent = [one.upload for one in lasting if one.action is not Action.KEPT]
    metadata = [
        Published(each, Action.SENT if each.immutable else Action.REPLACED)
        for each in vouch.foresee(at, publication, sent, bars)
    ]
    rest = [one for one in planned if not one.upload.immutable]
    notes = (
        f"{name} is signed before it is sent: it will have another size and SHA-256"
        for name in attest.unsigned(sent)
    )
    return [*lasting, *metadata, *rest], tuple(notes)


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


def _with_read_back(
    config: StoreConfig, read_back: ReadBack | None, *, verify_all: bool
) -> StoreConfig:
    """Say how a bucket is to be read back; of a folder, all is read in any case."""
    wanted = read_back or ("full" if verify_all else None)
    if wanted is None or not isinstance(config, S3Config):
        return config
    return config.model_copy(update={"read_back": wanted})


def _publication(spec: AgentSpec, version: str | None) -> Publication:
    agentctl = engine.build()
    return Publication(
        spec.name,
        version or spec.release_version,
        tuple(spec.platforms),
        extra=((agentctl.name, agentctl.data),),
    )
