"""`toolkit render`: every text that a host gets, to read before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from toolkit.cli import options
from toolkit.cli.options import load_agent
from toolkit.errors import ConfigError
from toolkit.host.envfile import parse_env
from toolkit.install_script import Choices, Presign, render_for
from toolkit.order import as_yaml, offering
from toolkit.render import (
    RenderedFile,
    env_file,
    pm2_ecosystem,
    systemd_unit,
    systemd_user_unit,
)
from toolkit.stores import presigned, public_url, read_toolkit_file, select

output = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file."
)


@click.group()
def render() -> None:
    """Print what a host gets: the install script, units, the environment file.

    \b
    Examples:
      toolkit render systemd glances
      toolkit render install-script glances --store local -o install-glances.sh
    """


@render.command("install-script")
@click.argument("name")
@options.store
@options.dist
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Put these variables into the script: it then is a secret, for one host.",
)
@options.root
@options.channel
@click.option(
    "--presign",
    type=click.IntRange(min=1),
    metavar="HOURS",
    help="For a private bucket: put addresses into the script that work for so long, 168 at most."
    " Not with signed metadata.",
)
@click.option("--label", default="", help="A line for the script's head: whom it is for.")
@output
@options.project
def install_script(
    *,
    name: str,
    store: str | None,
    dist: Path | None,
    env_file: Path | None,
    root: Path | None,
    channel: str,
    presign: int | None,
    label: str,
    output: Path | None,
    project: Path,
) -> None:
    """Print the script that installs the built release NAME on a host.

    It pins the SHA-256 of agentctl. Where releases are signed, it carries the store's root, and
    hosts verify the rest; else it pins the tarballs too: render it again for each version.

    \b
    Examples:
      toolkit render install-script glances --store local > install-glances.sh
      toolkit render install-script glances --store https://cdn.example.com/agents
      toolkit render install-script glances --channel stable
      toolkit render install-script glances --presign 24 -o install-glances.sh
    """
    spec = load_agent(name, project)
    settings = parse_env(env_file.read_text(encoding="utf-8")) if env_file else {}
    choices = Choices(
        url=public_url(store, project) if presign is None else "",
        settings=settings,
        label=label,
        generated=datetime.now(UTC).isoformat(timespec="seconds"),
        root=root.read_bytes() if root else trusted_root(store, project),
        channel=channel,
        presign=None if presign is None else _presign(store, project, presign),
    )
    _emit(render_for(spec, dist or project / "release" / "dist", choices), output)


def _presign(store: str | None, project: Path, hours: int) -> Presign:
    config = select(store, project).config
    until = datetime.now(UTC) + timedelta(hours=hours)
    return Presign(lambda names: presigned(config, names, hours * 3600), until)


def trusted_root(store: str | None, project: Path) -> bytes | None:
    """Give the root of this project's stores; None where its releases are not signed."""
    from toolkit.keyring import Keyring

    file = read_toolkit_file(project)
    if file is None or file.trust is None or (store is not None and "://" in store):
        return None
    return Keyring(file.trust, project, lambda _: "").trusted_root()


@render.command("ansible-vars")
@click.argument("name")
@options.store
@options.dist
@options.root
@options.channel
@output
@options.project
def ansible_vars(
    *,
    name: str,
    store: str | None,
    dist: Path | None,
    root: Path | None,
    channel: str,
    output: Path | None,
    project: Path,
) -> None:
    """Print the variables by which Ansible and `toolkit fleet` install NAME, as YAML.

    They say what is installed, where it comes from, and what hosts trust; none is a secret. Put
    them into group_vars, and the settings of the hosts beside them.

    \b
    Examples:
      toolkit render ansible-vars glances --channel stable -o group_vars/monitored/release.yml
      toolkit render ansible-vars glances --store https://cdn.example.com/agents
    """
    spec = load_agent(name, project)
    choices = Choices(
        url=public_url(store, project),
        root=root.read_bytes() if root else trusted_root(store, project),
        channel=channel,
    )
    found = offering(spec, dist or project / "release" / "dist", choices)
    head = f"What hosts install of {name}: toolkit render ansible-vars {name}"
    _emit(RenderedFile("release.yml", as_yaml(found, head), 0o644), output)


@render.command()
@click.argument("name")
@click.option("--user", is_flag=True, help="Print the unit for a user's own systemd.")
@output
@options.project
def systemd(name: str, user: bool, output: Path | None, project: Path) -> None:
    """Print the systemd unit of NAME, as its release carries it.

    \b
    Examples:
      toolkit render systemd glances
      toolkit render systemd my-agent --user
    """
    spec = load_agent(name, project)
    _require(name, "systemd-user" if user else "systemd", spec.service.managers)
    _emit(systemd_user_unit(spec) if user else systemd_unit(spec), output)


@render.command()
@click.argument("name")
@output
@options.project
def pm2(name: str, output: Path | None, project: Path) -> None:
    """Print the ecosystem.config.js of NAME, as its release carries it.

    \b
    Example:
      toolkit render pm2 verdaccio
    """
    spec = load_agent(name, project)
    _require(name, "pm2", spec.service.managers)
    _emit(pm2_ecosystem(spec), output)


@render.command()
@click.argument("name")
@output
@options.project
def env(name: str, output: Path | None, project: Path) -> None:
    """Print .env.example of NAME: every variable that a host may set.

    \b
    Example:
      toolkit render env verdaccio -o .env.example
    """
    _emit(env_file(load_agent(name, project)), output)


def _require(name: str, manager: str, managers: Sequence[str]) -> None:
    if manager not in managers:
        raise ConfigError(
            f"{name} does not run under {manager}",
            why=f"its service.managers are {', '.join(managers)}",
            hint=f"add {manager!r} to service.managers in release/{name}.toml",
        )


def _emit(file: RenderedFile, output: Path | None) -> None:
    if output is None:
        click.echo(file.text, nl=False)
        return
    if output.name == ".env" and output.exists():
        raise ConfigError(
            f"{output} is there already",
            why="it may hold values that stand nowhere else",
            hint="write to another name, such as .env.example, and compare",
        )
    mode = 0o600 if output.name == ".env" else file.mode
    output.touch(mode=0o600)
    output.chmod(mode & 0o700)
    output.write_text(file.text, encoding="utf-8")
    output.chmod(mode)
    click.echo(f"wrote {output}", err=True)
