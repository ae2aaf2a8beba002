"""A service in a folder of the test's own, under a manager that runs nothing, to put on trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.host.accounts import this_account
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Process
from toolkit.host.release import Health, Release, Runtime, Service
from toolkit.host.request import Say, Trying
from toolkit.host.state import State, read_state, write_state
from toolkit.host.trial import Trial, open_trial
from toolkit.host.upgrade import Change

OLD, NEW = "1.0", "2.0"
SILENT = Say(lambda _: None, lambda _, __: None)


def now() -> str:
    """Give a time that stands still."""
    return "2026-11-21T00:00:00+00:00"


def release(version: str) -> Release:
    """Give a release that is healthy where it runs."""
    service = Service("tiny", ("/bin/true",), None, "{home}", {}, (), (), 1, None, ("direct",))
    health = Health("none", (), timeout=1, interval=0.01, watch=0)
    runtime = Runtime("none", "", bundled=False)
    return Release("tiny", "Tiny", version, None, runtime, service, health)


RUNNING = Process(True, 7, 0, "active (running)")


@dataclass
class Fake:
    """A manager that runs what `current` names when it is started."""

    layout: Layout
    name: str = "direct"
    runs: str | None = OLD
    prints: str = "a line"
    fails: dict[str, Exception] = field(default_factory=dict)
    hook: Callable[[], None] | None = None
    aside: str | None = None
    shown: Process = RUNNING

    def _may(self, what: str, version: str) -> None:
        if (error := self.fails.get(f"{what} {version}")) is not None:
            raise error

    def require(self, installation: Installation) -> None:
        self._may("require", installation.release.version)

    def configured(self, installation: Installation) -> bool:
        return True

    def foresee(self, installation: Installation) -> Mapping[str, Any]:
        return {}

    def configure(self, installation: Installation) -> None:
        self._may("configure", installation.release.version)

    def start(self, installation: Installation) -> None:
        self._may("start", installation.release.version)
        self.runs = self.layout.running_version()

    def process(self, installation: Installation) -> Process:
        self._may("process", installation.release.version)
        if self.hook:
            self.hook()
        return self.shown

    def put_aside(self, installation: Installation) -> str | None:
        """Say what the test says."""
        return self.aside

    def logs(self, installation: Installation, lines: int) -> str:
        self._may("logs", installation.release.version)
        return self.prints

    def remove(self, layout: Layout, service: str, details: Mapping[str, Any]) -> None:
        self.runs = None


def installed(home: Path) -> Layout:
    """A service that runs 1.0 and has 2.0 beside it."""
    layout = Layout(home)
    for version, sha256 in ((OLD, "a"), (NEW, "b")):
        folder = layout.release(version)
        (folder / "toolkit").mkdir(parents=True)
        (folder / "toolkit" / "release.json").write_text(release(version).to_json(), "utf-8")
        layout.marker(version).write_text(sha256 + "\n", "ascii")
    layout.current.symlink_to(f"releases/{OLD}")
    layout.env.write_text("A=1\n", "utf-8")
    layout.env.chmod(0o600)
    write_state(layout, state())
    return layout


def state() -> State:
    """Give what is noted of 1.0."""
    return State(
        name="tiny",
        service="tiny",
        version=OLD,
        platform="linux-x64",
        manager="direct",
        user=this_account().name,
        created_user=False,
        home="/opt/tiny",
        sha256="a",
        outcome="running",
        reason="",
        at="",
    )


def change(layout: Layout, manager: Fake, **given: Any) -> Change:
    """Give what puts 2.0 on trial."""
    old, new = (Installation(release(version), layout, this_account()) for version in (OLD, NEW))
    settings = given.pop("settings", "A=2\n")
    known = {"kind": "upgrade", "sha256": "b", "trying": Trying(), **given}
    return Change(old=old, new=new, manager=manager, settings=settings, **known)


def trial(layout: Layout) -> Trial:
    """Open a trial of 2.0, as an agentctl that was then ended."""
    found = Trial("upgrade", NEW, "b", OLD, "direct", now(), 70)
    open_trial(layout, found)
    return found


def noted(layout: Layout) -> State:
    """Give what stands in state.json."""
    found = read_state(layout)
    assert found is not None
    return found
