"""Gathers what an install script pins: the hashes of a built release and of agentctl."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolkit import engine
from toolkit.artifact import Artifact, checksum_file
from toolkit.errors import NotFoundError
from toolkit.render import InstallScript, RenderedFile, Tarball, install_script
from toolkit.spec import AgentSpec


@dataclass(frozen=True)
class Choices:
    """What the caller chooses for one script; `url` is where hosts fetch the release."""

    url: str
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    label: str = ""
    generated: str = ""


def render_for(spec: AgentSpec, dist: Path, choices: Choices) -> RenderedFile:
    """Render the install script of the release of `spec` that was built into `dist`.

    Raises NotFoundError where it was not built.
    """
    tarballs = tuple(_tarballs(spec, dist))
    if not tarballs:
        raise NotFoundError(
            f"{spec.name} {spec.release_version} is not in {dist}",
            why="an install script pins the SHA-256 of the tarballs, so they must be built first",
            hint=f"run `toolkit release {spec.name}`",
        )
    agentctl = engine.build()
    script = InstallScript(
        store=choices.url.rstrip("/"),
        tarballs=tarballs,
        agentctl=agentctl.name,
        agentctl_sha256=agentctl.sha256,
    )
    rest = {name: getattr(choices, name) for name in ("settings", "label", "generated")}
    return install_script(spec, dataclasses.replace(script, **rest))


def _tarballs(spec: AgentSpec, dist: Path) -> Iterator[Tarball]:
    for platform in (None, *spec.platforms):
        tarball = Artifact(spec.name, spec.release_version, platform).tarball
        checksum = dist / checksum_file(tarball)
        if checksum.is_file():
            yield Tarball(platform, tarball, checksum.read_text("ascii").split()[0])
