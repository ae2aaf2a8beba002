"""The steps that all demonstrations share."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from toolkit import engine
from toolkit.build_cache import user_cache
from toolkit.contract import Verdict
from toolkit.demo_host import DemoHost, boot, find_engine, private_folder
from toolkit.errors import HostError
from toolkit.host.layout import this_platform
from toolkit.loopback import in_use
from toolkit.progress import Progress
from toolkit.publish import Publication, prepare, publish
from toolkit.release import Settings, build
from toolkit.render import RenderedFile
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
class Show:
    """What is shown: an agent of a project, as somebody wishes, to whom."""

    spec: AgentSpec
    project: Path
    wishes: Wishes
    tell: Teller


@dataclass(frozen=True)
class Row:
    """An agent as its controller tells of it; `beat` is when it was heard from, in ISO 8601."""

    name: str
    liveness: str
    version: str
    beat: str


@dataclass(frozen=True)
class Page:
    """The controller's fleet page: its address, who may log in, and its line for the agent.

    `password` is the file that holds it, where somebody is to log in.
    """

    address: str
    email: str
    row: Row
    password: Path | None


@dataclass(frozen=True)
class Shown:
    """What the demo came to: the proof, and where a person can look.

    `removal` is the command that takes away what stays, if anything stays.
    """

    verdict: Verdict
    address: str | None
    commands: Sequence[tuple[str, str]] = ()
    removal: str = ""
    page: Page | None = None


def build_release(show: Show, dist: Path) -> None:
    """Build the agent for this machine's platform into `dist`."""
    spec, tell = show.spec, show.tell
    tell.step(f"Build {spec.title} {spec.release_version}")
    platform = cast("Platform", this_platform())
    settings = Settings(project=show.project, out=dist, cache=user_cache(), zstd=False)
    built = build(spec, platform, settings, tell.progress)
    size = built.size / 1_000_000
    tell.line(f"{built.artifact.tarball}: {len(built.files)} files, {size:.1f} MB")
    tell.line(f"SHA-256 {built.sha256}")


def publish_release(show: Show, dist: Path, public: Path) -> None:
    """Publish what was built to the folder `public`."""
    show.tell.step("Publish it to a directory, served on loopback")
    agentctl = engine.build()
    publication = Publication(
        show.spec.name,
        show.spec.release_version,
        (this_platform(),),
        ((agentctl.name, agentctl.data),),
    )
    prepared = prepare(publication, DirectoryStore(dist), show.tell.progress)
    for one in publish(prepared.uploads, DirectoryStore(public), show.tell.progress):
        show.tell.line(f"{one.action}: {one.upload.name}")


def find_host(show: Show) -> DemoHost:
    """Boot a container where an engine is here, else take a folder of this machine."""
    spec, wishes, tell = show.spec, show.wishes, show.tell
    tell.step("Find a throwaway host")
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
    settings = frozenset([*spec.service.required, *spec.service.secret, *spec.service.environment])
    host = private_folder(spec.service_name, settings)
    tell.line(f"a folder of this machine, with agentctl as process manager: {host.root}")
    return host


def run_script(show: Show, host: DemoHost, script: RenderedFile) -> None:
    """Run the install script on the host; raises HostError where it fails."""
    code = host.run_script(script, show.tell.line)
    if code != 0:
        raise HostError(
            f"{script.path} ended with exit code {code}",
            why="its last lines above say what happened",
            hint="docs/exit-codes.md lists what each code means",
        )


def prove(show: Show, host: DemoHost) -> Verdict:
    """Hold the host against what the release promises."""
    show.tell.step(f"Verify it on {host.url}")
    return verify(show.spec, host.url, Options(show.spec.release_version, host.manager, host.home))


def address_of(spec: AgentSpec) -> str | None:
    """Give where the agent's health is asked for."""
    return spec.health.http if spec.health else None


def require_free_port(spec: AgentSpec) -> None:
    """Refuse early where the agent's port is in use: its health could be another program's."""
    address = address_of(spec)
    port = urllib.parse.urlsplit(address).port if address else None
    if port is not None and in_use(port):
        raise HostError(
            f"port {port} of this machine is in use",
            why="the demonstration's agent listens there",
            hint="end what listens there, perhaps a demonstration that was kept, then try again",
        )
