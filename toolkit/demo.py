"""The story of `toolkit demo`: the whole way, from an agent's source to a service proven to run."""

from __future__ import annotations

import socket
import tempfile
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from toolkit import engine
from toolkit.contract import Verdict
from toolkit.demo_host import DemoHost, boot, find_engine, private_folder
from toolkit.errors import HostError
from toolkit.host.layout import this_platform
from toolkit.install_script import Choices, render_for
from toolkit.loopback import serve
from toolkit.progress import Progress
from toolkit.publish import Publication, prepare, publish
from toolkit.release import Settings, build
from toolkit.spec import AgentSpec, Platform
from toolkit.store import DirectoryStore
from toolkit.verify import Options, verify

AUTO, CONTAINER, FOLDER = "auto", "container", "folder"


@dataclass(frozen=True)
class Wishes:
    """What the caller chooses: where to install, of which image, and whether it stays."""

    on: str = AUTO
    image: str | None = None
    keep: bool = False


@dataclass(frozen=True)
class Teller:
    """How the demo speaks: a heading for each step, lines below it, progress of long work."""

    step: Callable[[str], None]
    line: Callable[[str], None]
    progress: Progress


@dataclass(frozen=True)
class Shown:
    """What the demo came to: the proof, and where a person can look."""

    verdict: Verdict
    address: str | None
    commands: Sequence[tuple[str, str]]
    kept: bool


def demo(spec: AgentSpec, project: Path, wishes: Wishes, tell: Teller) -> Shown:
    """Build, publish, install, verify, and leave nothing behind unless asked to.

    Raises ToolkitError where a step fails; what it had made is taken away all the same.
    """
    address = spec.health.http if spec.health else None
    _require_free_port(address)
    with tempfile.TemporaryDirectory(prefix="toolkit-demo-") as folder:
        dist, public = Path(folder, "dist"), Path(folder, "public")
        tell.step(f"Build {spec.title} {spec.release_version}")
        _build(spec, project, dist, tell)
        tell.step("Publish it to a directory, served on loopback")
        _publish(spec, dist, public, tell)
        with serve(public) as url:
            tell.line(f"{url}/")
            tell.step("Find a throwaway host")
            host = _find_host(spec, wishes, tell)
            return _show(spec, host, (dist, url), wishes, tell)


def _build(spec: AgentSpec, project: Path, dist: Path, tell: Teller) -> None:
    platform = cast("Platform", this_platform())
    built = build(spec, platform, Settings(project=project, out=dist), tell.progress)
    size = built.size / 1_000_000
    tell.line(f"{built.artifact.tarball}: {len(built.files)} files, {size:.1f} MB")
    tell.line(f"SHA-256 {built.sha256}")


def _publish(spec: AgentSpec, dist: Path, public: Path, tell: Teller) -> None:
    agentctl = engine.build()
    publication = Publication(
        spec.name,
        spec.release_version,
        (this_platform(),),
        ((agentctl.name, agentctl.data),),
    )
    prepared = prepare(publication, DirectoryStore(dist), tell.progress)
    for one in publish(prepared.uploads, DirectoryStore(public), tell.progress):
        tell.line(f"{one.action}: {one.upload.name}")


def _find_host(spec: AgentSpec, wishes: Wishes, tell: Teller) -> DemoHost:
    """Boot a container where an engine is here, else take a folder of this machine."""
    found = None if wishes.on == FOLDER else find_engine()
    if found is not None:
        try:
            return boot(found, wishes.image, tell.line)
        except HostError as error:
            if wishes.on == CONTAINER:
                raise
            reason = error.why.splitlines()[-1] if error.why else error.message
            tell.line(f"no container: {reason}")
    elif wishes.on == CONTAINER:
        raise HostError(
            "there is no container engine",
            why="neither podman nor docker is here and answers",
            hint="install podman, or use a folder of this machine: toolkit demo --on folder",
        )
    host = private_folder(spec.service_name)
    tell.line(f"a folder of this machine, with agentctl as process manager: {host.root}")
    return host


def _show(
    spec: AgentSpec, host: DemoHost, release: tuple[Path, str], wishes: Wishes, tell: Teller
) -> Shown:
    kept = False
    try:
        _install(spec, host, release, tell)
        tell.step(f"Verify it on {host.url}")
        options = Options(spec.release_version, host.manager, host.home)
        verdict = verify(spec, host.url, options)
        kept = wishes.keep
        address = spec.health.http if spec.health else None
        return Shown(verdict, address, host.where_to_look(spec.service_name), kept)
    finally:
        if not kept:
            host.remove()


def _install(spec: AgentSpec, host: DemoHost, release: tuple[Path, str], tell: Teller) -> None:
    dist, url = release
    script = render_for(spec, dist, Choices(url=url, label="a demonstration"))
    tell.step(f"Install it there, by {script.path}")
    code = host.run_script(script, tell.line)
    if code != 0:
        raise HostError(
            f"{script.path} ended with exit code {code}",
            why="its last lines above say what happened",
            hint="docs/exit-codes.md lists what each code means",
        )


def _require_free_port(address: str | None) -> None:
    """Refuse early where the agent's port is in use: its health could be another program's."""
    if address is None:
        return
    parts = urllib.parse.urlsplit(address)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except OSError:
        return
    raise HostError(
        f"port {parts.port} of this machine is in use",
        why="the demonstration's agent listens there",
        hint="end what listens there, perhaps a demonstration that was kept, then try again",
    )
