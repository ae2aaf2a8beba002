"""Makes a staged version the running one: looks at what is there, and does just what is lacking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from toolkit.host.errors import AgentctlError
from toolkit.host.files import make_folder, point_link
from toolkit.host.health import wait_until_healthy
from toolkit.host.history import Event, note
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Manager
from toolkit.host.managers import manager_called
from toolkit.host.plan import CHECKS, Facts, plan
from toolkit.host.request import Request, Say
from toolkit.host.settings import settings_differ, settings_text, write_settings
from toolkit.host.state import State, write_state
from toolkit.host.steps import perform


@dataclass
class _Progress:
    """How far an installation is: which manager has the service now, and what it must be told.

    The former manager keeps the service until it was left, however often that takes.
    """

    before: State

    def __post_init__(self) -> None:
        self.manager = self.before.manager
        self.details: Mapping[str, Any] = self.before.details


@dataclass(frozen=True)
class Activation:
    """A staged version on its way to be the running one, with no other to go back to.

    `before` is the state before the call. Each step of the plan is a method.
    """

    request: Request
    installation: Installation
    manager: Manager
    before: State
    say: Say
    now: Callable[[], str]

    @property
    def layout(self) -> Layout:
        """The folder of the service."""
        return self.installation.layout

    def activate(self) -> tuple[str, ...]:
        """Do what is to be done, and no more; gives the steps that changed something."""
        before = self.before
        self._folders()
        settings = settings_text(self.installation, self.request.settings)
        steps = plan(self.request.version, self.request.manager, self._facts(before, settings))
        progress = _Progress(before)
        actions: dict[str, Callable[[], None]] = {
            "leave": lambda: self._leave(progress),
            "settings": lambda: write_settings(self.installation, self.manager.name, settings),
            "switch": self._switch,
            "configure": lambda: self._configure(progress),
            "start": lambda: self.manager.start(self.installation),
            "health": self._health,
        }
        changing = tuple(step for step in steps if step not in CHECKS)
        try:
            for step in steps:
                self.say.step(self._wording(step))
                if step in changing:
                    self._record(progress, "installing", f"{step} is under way")
                perform(step, actions[step])
        except (AgentctlError, OSError) as error:
            # The fault itself matters more than that it could not be noted on a full disk.
            with suppress(OSError):
                self._record(progress, "failed", str(error).splitlines()[0])
                self._note("failed", str(error).splitlines()[0])
            raise
        if changing or before.outcome != "running":
            self._record(progress, "running", "its health gate held")
        if changing:
            what = "installed" if "switch" in changing else "changed"
            self._note(what, "its health gate held")
        return changing

    def foresee(self) -> tuple[str, ...]:
        """Give what `activate` would give, and do nothing."""
        settings = settings_text(self.installation, self.request.settings)
        steps = plan(self.request.version, self.request.manager, self._facts(self.before, settings))
        return tuple(step for step in steps if step not in CHECKS)

    def _note(self, what: str, reason: str) -> None:
        note(self.layout, Event(self.now(), what, self.request.version, reason))

    def _wording(self, step: str) -> str:
        service, version, manager = (
            self.installation.service,
            self.request.version,
            self.manager.name,
        )
        return {
            "leave": "take the service from its former process manager",
            "settings": f"write {self.layout.env}",
            "switch": f"switch {self.layout.current} to {version}",
            "configure": f"set {service} up in {manager}",
            "start": f"start {service}",
            "health": f"wait until {service} is healthy",
        }[step]

    def _folders(self) -> None:
        for folder in (self.layout.logs, self.layout.workspace):
            make_folder(folder, 0o750, self.installation.account)

    def _facts(self, before: State, settings: str) -> Facts:
        version = self.layout.running_version()
        configured = version == self.request.version and self.manager.configured(self.installation)
        running = configured and self.manager.process(self.installation).running
        return Facts(
            version=version,
            manager=before.manager if version is not None else None,
            interrupted=before.outcome not in ("running", "reverted"),
            settings_differ=settings_differ(self.installation, self.manager.name, settings),
            configured=configured,
            running=running,
        )

    def _leave(self, progress: _Progress) -> None:
        former = manager_called(progress.manager)
        former.remove(self.layout, progress.before.service, progress.details)
        progress.manager, progress.details = self.manager.name, {}

    def _switch(self) -> None:
        point_link(self.layout.current, self.layout.release(self.request.version))

    def _configure(self, progress: _Progress) -> None:
        """Configure the manager; what it is about to make is noted first, to be taken away later.

        What an earlier run made is still ours, though this one finds it there.
        """
        made = {
            key: True
            for key, value in progress.details.items()
            if key.startswith("made_") and value
        }
        progress.manager = self.manager.name
        progress.details = {**self.manager.foresee(self.installation), **made}
        self._record(progress, "installing", "configure is under way")
        self.manager.configure(self.installation)

    def _health(self) -> None:
        wait_until_healthy(self.manager, self.installation, self.say.step)

    def _record(self, progress: _Progress, outcome: str, reason: str) -> None:
        before = progress.before
        version = self.request.version
        state = replace(
            before,
            version=version,
            manager=progress.manager,
            user=self.installation.account.name,
            sha256=self.request.source.sha256,
            outcome=outcome,
            reason=reason,
            at=self.now(),
            previous=before.version if before.version != version else before.previous,
            details=progress.details,
        )
        write_state(self.layout, state)
