"""Installs a release: looks at what is there, decides the steps, does just those.

Each step can be done again, and leaves the host so that the next run can go on from it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from toolkit.host.accounts import (
    Account,
    create_account,
    existing_account,
    find_account,
    this_account,
)
from toolkit.host.envfile import merge_env, parse_env
from toolkit.host.errors import AgentctlError, MissingSetting, NotPermitted
from toolkit.host.files import make_folder, point_link, write_atomic, write_if_changed
from toolkit.host.health import wait_until_healthy
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Manager
from toolkit.host.managers import MANAGERS, manager_for
from toolkit.host.plan import CHECKS, Facts, plan
from toolkit.host.release import Release, default_home
from toolkit.host.request import Request, Say
from toolkit.host.stage import read_release, stage
from toolkit.host.state import State, read_state, write_state

ENV_HEADER = "# Variables of this host. Mode 0600: keep it secure and do not share it.\n"


def install(request: Request, say: Say, now: Callable[[], str]) -> tuple[str, ...]:
    """Make what `request` says the running version; gives the steps that changed something.

    Raises a subclass of AgentctlError. The same call, made again, goes on from there.
    """
    layout = Layout(request.home)
    _prepare(request, layout, now)
    staged = stage(request, layout, say)
    release = read_release(layout.release(request.version))
    manager = manager_for(request.manager, release)
    account = _account(request, release, layout)
    installation = Installation(release, layout, account)
    manager.require(installation)
    work = _Work(request, installation, manager, say, now)
    return (*(("stage",) if staged else ()), *work.activate())


def _prepare(request: Request, layout: Layout, now: Callable[[], str]) -> None:
    """Make the folder, with the engine and a first state, so that uninstall works from here on."""
    try:
        make_folder(layout.home, 0o755)
    except PermissionError as error:
        raise NotPermitted(
            f"{layout.home} can't be written by this user", hint="run the command with sudo"
        ) from error
    write_if_changed(layout.agentctl, request.engine, 0o755)
    make_folder(layout.releases, 0o755)
    if read_state(layout) is None:
        write_state(layout, _first_state(request, now()))


def _first_state(request: Request, at: str) -> State:
    return State(
        name=request.name,
        service=request.service,
        version=request.version,
        platform=request.platform,
        manager=request.manager,
        user=request.user,
        created_user=False,
        home=str(request.home),
        sha256=request.source.sha256,
        outcome="installing",
        reason="its first installation is under way",
        at=at,
    )


def _account(request: Request, release: Release, layout: Layout) -> Account:
    """Give the user that runs the service; makes it where the release wants one of its own.

    In a private folder nothing of the system is changed: there the caller runs it.
    """
    if os.geteuid() != 0:
        return this_account()
    name = release.service.user
    if name is None or str(layout.home) != default_home(request.service):
        return existing_account(request.user)
    account = find_account(name)
    if account is None:
        account = create_account(name, layout.home)
        state = read_state(layout)
        if state is not None:
            write_state(layout, replace(state, created_user=True, user=name))
    return account


@dataclass(frozen=True)
class _Work:
    """An installation under way; each step of the plan is a method."""

    request: Request
    installation: Installation
    manager: Manager
    say: Say
    now: Callable[[], str]

    @property
    def layout(self) -> Layout:
        return self.installation.layout

    def activate(self) -> tuple[str, ...]:
        before = read_state(self.layout)
        self._folders()
        settings = self._settings_text()
        steps = plan(self.request.version, self.request.manager, self._facts(before, settings))
        changing = tuple(step for step in steps if step not in CHECKS)
        details = dict(before.details) if before and before.manager == self.manager.name else {}
        actions: dict[str, Callable[[], None]] = {
            "leave": lambda: self._leave(before),
            "settings": lambda: self._write_settings(settings),
            "switch": self._switch,
            "configure": lambda: details.update(self._configure(details)),
            "start": lambda: self.manager.start(self.installation),
            "health": self._health,
        }
        try:
            for step in steps:
                self.say.step(self._wording(step))
                if step in changing:
                    self._record("installing", f"{step} is under way", before, details)
                actions[step]()
        except AgentctlError as error:
            # The fault itself matters more than that it could not be noted on a full disk.
            with suppress(OSError):
                self._record("failed", error.message.splitlines()[0], before, details)
            raise
        if changing or before is None or before.outcome != "running":
            self._record("running", "its health gate held", before, details)
        return changing

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

    def _facts(self, before: State | None, settings: str) -> Facts:
        version = self.layout.running_version()
        configured = version == self.request.version and self.manager.configured(self.installation)
        running = configured and self.manager.process(self.installation).running
        manager = before.manager if before and version is not None else None
        return Facts(version, manager, self._settings_differ(settings), configured, running)

    def _settings_text(self) -> str:
        """Give what .env must hold; raises MissingSetting where a required one has no value."""
        path = self.layout.env
        text = path.read_text("utf-8") if path.exists() else ENV_HEADER
        merged = merge_env(text, self.request.settings)
        service = self.installation.release.service
        known = {**service.environment, **parse_env(merged)}
        missing = [name for name in service.required if not known.get(name)]
        if missing:
            raise MissingSetting(
                f"{service.name} needs a value for {', '.join(missing)}",
                hint=f"set {missing[0]} in the environment of the install script",
            )
        return merged

    def _settings_differ(self, text: str) -> bool:
        path = self.layout.env
        if not path.exists():
            return True
        status = path.stat()
        sealed = stat.S_IMODE(status.st_mode) == 0o600
        return (
            not sealed
            or status.st_uid != self.installation.account.uid
            or path.read_text("utf-8") != text
        )

    def _write_settings(self, text: str) -> None:
        write_atomic(self.layout.env, text.encode(), 0o600, self.installation.account)

    def _leave(self, before: State | None) -> None:
        if before is not None:
            MANAGERS[before.manager].remove(self.layout, before.service, before.details)

    def _switch(self) -> None:
        point_link(self.layout.current, self.layout.release(self.request.version))

    def _configure(self, details: dict[str, Any]) -> dict[str, Any]:
        """Configure the manager; what an earlier run made of it is still ours to take away."""
        made = {key: True for key, value in details.items() if key.startswith("made_") and value}
        return {**self.manager.configure(self.installation), **made}

    def _health(self) -> None:
        wait_until_healthy(self.manager, self.installation, self.say.step)

    def _record(
        self, outcome: str, reason: str, before: State | None, details: dict[str, Any]
    ) -> None:
        first = before or _first_state(self.request, self.now())
        previous = first.version if first.version != self.request.version else first.previous
        state = replace(
            first,
            version=self.request.version,
            manager=self.manager.name,
            user=self.installation.account.name,
            sha256=self.request.source.sha256,
            outcome=outcome,
            reason=reason,
            at=self.now(),
            previous=previous,
            details=details,
        )
        write_state(self.layout, state)
