"""`toolkit release`: build an agent's tarballs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click
from rich import filesize

from toolkit.archive import DEFAULT_EPOCH
from toolkit.build_cache import user_cache
from toolkit.cli import options
from toolkit.cli.output import print_json, progress
from toolkit.release import Built, Settings, build_all
from toolkit.spec import Platform


@click.command()
@click.argument("name")
@click.option("--check", is_flag=True, help="Do everything but write.")
@click.option(
    "--platform",
    "platforms",
    type=click.Choice(get_args(Platform)),
    multiple=True,
    help="Build for this platform; may be given twice.  [default: all that the agent names]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write to.  [default: release/dist]",
)
@click.option(
    "--epoch",
    type=click.IntRange(min=0),
    envvar="SOURCE_DATE_EPOCH",
    default=DEFAULT_EPOCH,
    show_envvar=True,
    help="The time of every file in the tarball, in seconds since 1970.",
)
@click.option("--no-zstd", is_flag=True, help="Write no .tar.zst beside the .tar.gz.")
@click.option("--no-cache", is_flag=True, help="Fetch and pack all anew, whatever is in the cache.")
@options.project
@options.as_json
def release(
    *,
    name: str,
    check: bool,
    platforms: tuple[Platform, ...],
    out: Path | None,
    epoch: int,
    no_zstd: bool,
    no_cache: bool,
    project: Path,
    as_json: bool,
) -> None:
    """Build the tarballs of the agent NAME, with all that it needs to run inside.

    Two builds of one source give the same bytes. Versioned and latest tarball are the same
    file, each with its .sha256. Beside them stand the same tar as .tar.zst, its packages
    (.cdx.json), what it was built from (.intoto.json), and sizes and hashes (.release.json).

    \b
    Examples:
      toolkit release glances
      toolkit release glances --check
      toolkit release verdaccio --platform linux-arm64 --out /srv/releases
    """
    spec = options.load_agent(name, project)
    settings = Settings(
        project,
        out or project / "release" / "dist",
        check,
        epoch,
        cache=None if no_cache else user_cache(),
        zstd=not no_zstd,
    )
    with progress(quiet=as_json) as bars:
        results = list(build_all(spec, platforms or spec.platforms, settings, bars))
    if as_json:
        print_json([_row(built) for built in results])
    else:
        _show(results, settings)


def _row(built: Built) -> dict[str, object]:
    artifact = built.artifact
    return {
        "name": artifact.name,
        "version": artifact.version,
        "platform": artifact.platform,
        "artifact": artifact.tarball,
        "sha256": built.sha256,
        "size": built.size,
        "tar": asdict(built.tar),
        "zstd": asdict(built.zstd) if built.zstd else None,
        "reused": built.reused,
        "files": len(built.files),
        "seconds": built.seconds,
        "paths": [str(path) for path in built.paths],
        "replaced": built.replaced,
    }


def _show(results: list[Built], settings: Settings) -> None:
    for built in results:
        size = filesize.decimal(built.size)
        click.echo(f"{built.artifact.tarball}  {size}, {len(built.files)} files")
        click.echo(f"  SHA-256  {built.sha256}")
        if built.zstd:
            click.echo(f"  .tar.zst {filesize.decimal(built.zstd.size)}")
        if built.reused:
            click.echo("  note     nothing had changed since it was built; its files are whole")
        if built.replaced:
            click.echo(
                "  note     other bytes had this name before; a store that holds them "
                "takes these only under a new version"
            )
    click.echo("checked; nothing was written" if settings.check else f"written to {settings.out}")
