"""Releases for hosts under test: built once, published to a store, installed by their script."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.support.hosts import Host
from tests.support.serve import StoreServer
from toolkit import engine
from toolkit.artifact import Artifact
from toolkit.config import parse_agent
from toolkit.host.layout import this_platform
from toolkit.install_script import Choices, render_for
from toolkit.progress import Silent
from toolkit.release import Settings, build_all
from toolkit.spec import AgentSpec, Platform

TOP = Path(__file__).parent.parent.parent
SAMPLES = TOP / "tests" / "samples"
SCRIPT = "/home/operator/install.sh"


@dataclass(frozen=True)
class Released:
    """A release that was built into `dist` for this machine's platform."""

    spec: AgentSpec
    dist: Path
    artifact: Artifact

    @property
    def home(self) -> str:
        return f"/opt/{self.spec.service_name}"

    @property
    def agentctl(self) -> str:
        return f"{self.home}/agentctl"


def build(spec: AgentSpec, project: Path, dist: Path) -> Released:
    """Build `spec`, whose source stands below `project`, for this machine."""
    platform = cast("Platform", this_platform())
    (built,) = build_all(spec, [platform], Settings(project=project, out=dist), Silent())
    return Released(spec, dist, built.artifact)


def build_example(name: str, dist: Path) -> Released:
    """Build one of the examples in release/."""
    file = TOP / "release" / f"{name}.toml"
    return build(parse_agent(file.read_text("utf-8"), file=str(file)), TOP, dist)


def tiny(
    dist: Path,
    *,
    version: str = "1.0.0",
    title: str = "",
    seconds: float = 15,
    **service: object,
) -> Released:
    """Build the small sample agent, with other values for keys of its [service].

    It has so many seconds to be healthy after a start.
    """
    spec = _tiny_spec(version, title, service, timeout=seconds)
    return build(spec, SAMPLES / "tiny", dist)


def tiny_with_ballast(project: Path, dist: Path, *, version: str, seed: str = "") -> Released:
    """Build the sample agent with two megabytes that no compression makes small.

    They are others in each version, or the same for the same `seed`.
    """
    shutil.copytree(SAMPLES / "tiny", project, dirs_exist_ok=True)
    ballast = random.Random(seed or version).randbytes(2_000_000)
    (project / "agent" / "ballast").write_bytes(ballast)
    return build(_tiny_spec(version, "", {}), project, dist)


def _tiny_spec(
    version: str, title: str, service: Mapping[str, object], **health: object
) -> AgentSpec:
    file = SAMPLES / "tiny" / "release" / "tiny.toml"
    data = parse_agent(file.read_text("utf-8"), file=str(file)).model_dump(mode="json")
    data |= {"version": version, "title": title or data["title"]}
    data["service"] |= service
    data["health"] |= health
    return AgentSpec.model_validate(data)


def publish(released: Released, store: StoreServer) -> None:
    """Put the tarballs and agentctl where hosts fetch them."""
    tarball = released.artifact.tarball
    shutil.copy(released.dist / tarball, store.root / tarball)
    agentctl = engine.build()
    (store.root / agentctl.name).write_bytes(agentctl.data)


def put_script(
    released: Released, store: StoreServer, host: Host, settings: Mapping[str, str] | None = None
) -> None:
    """Publish, and put the install script into the operator's home."""
    publish(released, store)
    choices = Choices(url=store.url, settings=settings or {})
    text = render_for(released.spec, released.dist, choices).text
    script = released.dist / "install.sh"
    script.write_text(text, "utf-8")
    host.put(script, SCRIPT, mode=0o755)


def install(
    host: Host, *arguments: str, user: str = "operator", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the install script on the host; what it printed comes as stdout and stderr."""
    return host.run([SCRIPT, *arguments], user=user, env=env, check=False, timeout=240)


def build_sample(name: str, dist: Path) -> Released:
    """Build one of the agents in tests/samples."""
    file = SAMPLES / name / "release" / f"{name}.toml"
    return build(parse_agent(file.read_text("utf-8"), file=str(file)), SAMPLES / name, dist)


def build_echo(
    project: Path,
    dist: Path,
    *,
    version: str = "",
    wrong: bool = False,
    pm2: bool = True,
    watch: int = 0,
) -> Released:
    """Build the sample agent that runs under every process manager, with Node.js inside.

    One that is `wrong` ends at once. PM2 comes with it, unless the host's is to be found. It is on
    trial for `watch` seconds, where that is not what its release file says.
    """
    shutil.copytree(SAMPLES / "echo", project, dirs_exist_ok=True)
    shutil.copytree(TOP / "release" / "locks", project / "release" / "locks")
    file = project / "release" / "echo.toml"
    spec = parse_agent(file.read_text("utf-8"), file=str(file))
    if version:
        spec = spec.model_copy(update={"version": version})
    if not pm2:
        runtime = spec.runtime.model_copy(update={"pm2": None})
        spec = spec.model_copy(update={"runtime": runtime})
    if watch:
        data = spec.model_dump(mode="json")
        data["health"]["watch"] = watch
        spec = AgentSpec.model_validate(data)
    if wrong:
        agent = project / "agent" / "agent.js"
        agent.write_text('throw new Error("not today");\n', "utf-8")
    return build(spec, project, dist)
