"""`toolkit bundle`: one file, for hosts that no store can be reached from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
from rich import filesize

from toolkit.cli import options
from toolkit.cli.output import print_json, progress
from toolkit.cli.render import trusted_root
from toolkit.install_script import Choices
from toolkit.spec import AgentSpec
from toolkit.store import DirectoryStore
from toolkit.stores import open_store, public_url, select


@click.command()
@click.argument("name")
@click.argument("version", required=False)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="PLATFORM",
    help="For this platform, such as linux-x64; repeat it.  [default: all that were released]",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file.  [default: NAME-vVERSION-PLATFORM.bundle.tar]",
)
@click.option(
    "--store",
    metavar="STORE",
    help="A store of toolkit.toml; hosts ask it for later versions.  [default: the default store]",
)
@options.dist
@options.root
@click.option("--channel", default="", help="Let the host follow this channel; needs a root.")
@options.project
@options.as_json
def bundle(
    *,
    name: str,
    version: str | None,
    platforms: tuple[str, ...],
    out: Path | None,
    store: str | None,
    dist: Path | None,
    root: Path | None,
    channel: str,
    project: Path,
    as_json: bool,
) -> None:
    """Write one file from which a host installs NAME without a network.

    It holds agentctl, the store's signed metadata, the tarballs and the install script. The host
    verifies all of it as if it came from the store, and so takes it only until the metadata runs
    out.

    \b
    Examples:
      toolkit bundle glances 4.5.8 --platform linux-x64
      toolkit bundle glances --store production --out glances.bundle.tar
    On the host:
      tar -xf glances.bundle.tar install-glances.sh
      ./install-glances.sh --bundle glances.bundle.tar
    """
    from toolkit.bundle import Signed, from_folder, from_store, write

    spec = _of_version(options.load_agent(name, project), version)
    root_bytes = root.read_bytes() if root else trusted_root(store, project)
    choices = Choices(url=public_url(store, project), root=root_bytes, channel=channel)
    if root_bytes is not None:
        opened = open_store(select(store, project).config, project)
        signed = Signed(opened, root_bytes, datetime.now(tz=UTC))
        made = from_store(spec, platforms, signed, choices)
    else:
        folder = dist or project / "release" / "dist"
        made = from_folder(spec, platforms, folder, DirectoryStore(folder), choices)
    file = out or Path(made.file)
    with progress(quiet=as_json) as bars:
        digest = write(made, file, bars)
    if as_json:
        print_json(
            {
                "file": str(file),
                "name": made.name,
                "version": made.version,
                "platforms": made.platforms,
                "until": made.until.isoformat() if made.until else None,
                "size": digest.size,
                "sha256": digest.sha256,
            }
        )
        return
    click.echo(f"{file}  {filesize.decimal(digest.size)}  SHA-256 {digest.sha256}")
    if made.until:
        click.echo(f"Hosts take it until {made.until:%Y-%m-%d %H:%M} UTC; then make a new one.")
    click.echo(f"On the host: tar -xf {file.name} install-{name}.sh")
    click.echo(f"             ./install-{name}.sh --bundle {file.name}")


def _of_version(spec: AgentSpec, version: str | None) -> AgentSpec:
    return spec if version is None else spec.model_copy(update={"version": version})
