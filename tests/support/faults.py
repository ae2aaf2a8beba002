"""Eight bad releases of a small agent, and what a host makes of each."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.driven import Driven
from tests.support.reachable import Reachable
from tests.support.releases import SAMPLES, Released, build
from toolkit.config import parse_agent
from toolkit.spec import AgentSpec

OLD = "1.0.0"
PORT = 7171
FAULTS = (
    "crash-at-start",
    "crash-later",
    "hang",
    "truncated",
    "refused",
    "old-version",
    "disk-full",
    "out-of-memory",
)
# What a version is told that it must not be blamed for.
BLAMELESS = ("disk-full",)
REVERTED = 31
DISK_FULL = 22


@dataclass(frozen=True)
class Timing:
    """Seconds: how long versions are watched, may take to start, and when the later crash comes."""

    watch: int = 3
    timeout: int = 3
    crash_after: float = 1.5


@dataclass(frozen=True)
class Outcome:
    """How a host came back: `late` is seconds from the end of the watch window, below 0 before."""

    fault: str
    way: str
    late: float
    reason: str


def frail(
    work: Path, fault: str, timing: Timing, controller: str = "", *, memory: str | None = None
) -> Released:
    """Build a release that fails by `fault`, or the good old one where that is empty.

    `memory` is what its unit lets it have, such as 128M.
    """
    project = work / (fault or "good")
    shutil.copytree(SAMPLES / "frail", project)
    agent = project / "agent" / "agent.py"
    if fault == "truncated":
        agent.write_bytes(agent.read_bytes()[:1200])
    spec = _spec(fault, timing, controller)
    if memory:
        service = spec.service.model_copy(update={"memory_limit": memory})
        spec = spec.model_copy(update={"service": service})
    return build(spec, project, project / "dist")


def version_of(fault: str) -> str:
    """Give the version that fails so."""
    return f"1.{FAULTS.index(fault) + 1}.0"


def _spec(fault: str, timing: Timing, controller: str) -> AgentSpec:
    file = SAMPLES / "frail" / "release" / "frail.toml"
    data = parse_agent(file.read_text("utf-8"), file=str(file)).model_dump(mode="json")
    if fault:
        data["version"] = version_of(fault)
        data["service"]["exec"] += ["--fault", fault, "--after", str(timing.crash_after)]
    if fault == "refused":
        data["service"]["exec"] += ["--controller", controller]
    data["health"] |= {"watch": timing.watch, "timeout": timing.timeout}
    return AgentSpec.model_validate(data)


def answers(host: Reachable) -> str:
    """Give the version that answers on the host, or nothing."""
    ask = f"exec 3<>/dev/tcp/127.0.0.1/{PORT} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
    said = host.run(["timeout", "5", "bash", "-c", ask], check=False).stdout
    return said.rpartition("version=")[2].strip() if " 200 " in said else ""


def watched(driven: Driven, good: Released, bad: Released) -> Outcome:
    """Upgrade to a bad release with agentctl there to the end; the store is gone after staging."""
    verb = _staged(driven, good, bad)
    began = time.monotonic()
    done = driven.run(verb, timeout=300)
    assert done.returncode in (REVERTED, DISK_FULL), done.stdout + done.stderr
    return _came_back(driven, bad, "agentctl watches", began)


def abandoned(driven: Driven, good: Released, bad: Released) -> Outcome:
    """Upgrade to a bad release, with agentctl killed when it was started: systemd is alone."""
    verb = _staged(driven, good, bad)
    began = time.monotonic()
    assert driven.killed("after:start", verb)
    return _came_back(driven, bad, "agentctl is dead", began)


def _staged(driven: Driven, good: Released, bad: Released) -> list[str]:
    if answers(driven.host) != OLD:
        done = driven.run(driven.offer(good))
        assert done.returncode == 0, done.stdout + done.stderr
    verb = driven.offer(bad)
    assert driven.killed("after:stage", verb)
    driven.withdraw(bad)
    return verb


def _came_back(driven: Driven, bad: Released, way: str, began: float) -> Outcome:
    """Wait until the old version answers and the state says why."""
    health = bad.spec.health
    assert health is not None
    window_ends = began + health.timeout + health.watch
    host = driven.host
    _wait(lambda: _link(host) == OLD and answers(host) == OLD, window_ends + 60)
    late = time.monotonic() - window_ends
    said = f"{version_of(_fault(bad))} was tried and taken back"
    _wait(lambda: said in str(state(host)["reason"]), window_ends + 60)
    return Outcome(_fault(bad), way, late, str(state(host)["reason"]))


def _fault(bad: Released) -> str:
    argv = bad.spec.service.exec
    return argv[argv.index("--fault") + 1]


def _link(host: Reachable) -> str:
    return host.run(["readlink", "/opt/frail/current"]).stdout.strip().rpartition("/")[2]


def state(host: Reachable) -> Mapping[str, Any]:
    """Give state.json of the host."""
    found: dict[str, Any] = json.loads(host.read("/opt/frail/state.json"))
    return found


def _wait(held: Callable[[], bool], until: float) -> None:
    while not held():
        assert time.monotonic() < until, "the old version did not come back in time"
        time.sleep(0.2)
