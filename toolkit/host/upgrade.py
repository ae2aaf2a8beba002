"""Puts another version on trial: it stays if it holds, else the one before comes back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from toolkit.host.accounts import existing_account
from toolkit.host.errors import AgentctlError, Reverted, Unhealthy
from toolkit.host.files import point_link
from toolkit.host.guard import Guard, guard_for
from toolkit.host.health import wait_until_healthy
from toolkit.host.history import Event, note
from toolkit.host.hooks import run_hook
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Manager
from toolkit.host.managers import MANAGERS
from toolkit.host.prune import prune
from toolkit.host.request import Say, Trying
from toolkit.host.settings import settings_differ, write_settings
from toolkit.host.stage import read_release
from toolkit.host.state import State, read_state, write_state
from toolkit.host.steps import perform
from toolkit.host.trial import (
    ARMED,
    COMMITTED,
    REVERTED,
    Trial,
    begin_revert,
    close_trial,
    commit,
    end_revert,
    free_reserve,
    open_trial,
    read_trial,
    restore,
    standing,
)
from toolkit.host.watch import ROOM, Failed, Terms, heard_before, terms, watch

Fault = AgentctlError | OSError

# Why a trial ended, where nobody saw more; and whether that was the version's own fault.
_REASONS = {
    "failed": ("its process ended more often than it may", True),
    "unhealthy": ("its health gate did not hold", True),
    "expired": ("nobody confirmed it in time, since agentctl had been ended", False),
    "rebooted": ("the host was started anew while it was on trial", False),
    "superseded": ("agentctl had been ended, and the next call asked for something else", False),
    "interrupted": ("agentctl was interrupted", False),
    "stopped": ("agentctl could not go on", False),
}
# What a call gives as changed.
CHANGING = ("settings", "switch", "configure", "start")
# Until here nothing that the running version needs has been touched.
_HARMLESS = ("open", "arm", "settings")


@dataclass(frozen=True)
class Change:
    """What is to be tried: `new`, with the SHA-256 of its tarball, in the place of `old`.

    `kind` is upgrade or rollback; `settings` is the text of .env.
    """

    kind: str
    old: Installation
    new: Installation
    manager: Manager
    sha256: str
    settings: str
    trying: Trying


def try_out(change: Change, say: Say, now: Callable[[], str]) -> tuple[str, ...]:
    """Put a version on trial; gives the steps that changed something.

    Goes on where an earlier call with the same version was cut off. Raises Reverted when the
    old version runs again, or the fault of a step before anything was touched.
    """
    return _TryOut(change, guard_for(change.manager, change.old.account), say, now).run()


def settle(layout: Layout, say: Say, now: Callable[[], str], *, resume: str | None = None) -> None:
    """Finish or undo a trial that agentctl was cut off from; nothing where there is none.

    A trial that is still open stays so where it is of the version with the SHA-256 `resume`.
    """
    trial = read_trial(layout)
    if trial is None:
        close_trial(layout)
        return
    found = standing(layout)
    if found.word == ARMED and resume == trial.sha256:
        return
    state = _state(layout)
    old = Installation(
        read_release(layout.release(trial.before)), layout, existing_account(state.user)
    )
    manager = MANAGERS[trial.manager]
    end = _End(trial, old, manager, guard_for(manager, old.account), now)
    if found.word == COMMITTED:
        say.step(f"note that {trial.version} was kept")
        end.keep()
        return
    say.step(f"bring {trial.before} back: {trial.version} was on trial")
    why = found.why or "superseded"
    if found.word != REVERTED:
        end.guard.revert(old, why)
    reason, own = _REASONS.get(why, (why, False))
    end.give_up(reason, own=own and _room(layout))


def _room(layout: Layout) -> bool:
    found = os.statvfs(layout.home)
    return found.f_bavail * found.f_frsize >= ROOM


def _state(layout: Layout) -> State:
    state = read_state(layout)
    if state is None:
        raise AgentctlError(
            f"{layout.state} is gone", hint="put it back from a backup, or uninstall the service"
        )
    return state


@dataclass(frozen=True)
class _End:
    """How a trial ends: what is noted, and what of it goes."""

    trial: Trial
    old: Installation
    manager: Manager
    guard: Guard
    now: Callable[[], str]

    @property
    def layout(self) -> Layout:
        return self.old.layout

    def keep(self) -> None:
        """Note that the version stays, and forget the trial."""
        trial = self.trial
        what = {"upgrade": "upgraded", "rollback": "rolled back"}[trial.kind]
        reason = "it held its health gate for its whole watch window"
        state = _state(self.layout)
        failed = {**state.failed}
        failed.pop(trial.sha256, None)
        if trial.kind == "rollback" and state.version == trial.before:
            failed[state.sha256] = {
                "version": trial.before,
                "reason": "an operator went back from it",
                "at": self.now(),
            }
        kept = replace(
            state,
            version=trial.version,
            sha256=trial.sha256,
            previous=trial.before,
            outcome="running",
            reason=reason,
            at=self.now(),
            failed=failed,
            details=self._details(state),
        )
        self._end(kept, Event(kept.at, what, trial.version, reason, trial.before))

    def _details(self, state: State) -> Mapping[str, Any]:
        """Give what the manager must know of the version that stays, and of what it made before."""
        release = read_release(self.layout.release(self.trial.version))
        made = {key: True for key, value in state.details.items() if key[:5] == "made_" and value}
        new = Installation(release, self.layout, self.old.account)
        return {**self.manager.foresee(new), **made}

    def give_up(self, reason: str, *, own: bool) -> None:
        """Note that the old version runs again, and forget the trial."""
        self._make_sure()
        trial, state = self.trial, _state(self.layout)
        failed = {**state.failed}
        if own:
            fault = {"version": trial.version, "reason": reason, "at": self.now()}
            failed[trial.sha256] = fault
        back = replace(
            state,
            outcome="reverted",
            reason=f"{trial.version} was tried and taken back: {reason}",
            at=self.now(),
            failed=failed,
        )
        self._end(back, Event(back.at, "reverted", trial.version, reason, trial.before))

    def _end(self, state: State, event: Event) -> None:
        free_reserve(self.layout)
        perform("record", lambda: write_state(self.layout, state))
        perform("history", lambda: note(self.layout, event))
        perform("disarm", lambda: self.guard.disarm(self.layout, self.old.service))
        perform("close", lambda: close_trial(self.layout))

    def _make_sure(self) -> None:
        """Bring the old version back by hand where a step came in between."""
        back = self.layout.running_version() == self.trial.before
        if back and self.manager.configured(self.old):
            return
        point_link(self.layout.current, self.layout.release(self.trial.before))
        self.manager.configure(self.old)
        self.manager.start(self.old)


@dataclass(frozen=True)
class _TryOut:
    change: Change
    guard: Guard
    say: Say
    now: Callable[[], str]

    @property
    def layout(self) -> Layout:
        return self.new.layout

    @property
    def old(self) -> Installation:
        return self.change.old

    @property
    def new(self) -> Installation:
        return self.change.new

    @property
    def manager(self) -> Manager:
        return self.change.manager

    def run(self) -> tuple[str, ...]:
        asked = terms(self.new.release.health, self.change.trying.window)
        trial = read_trial(self.layout)
        if trial is None:
            self._before_switch()
            trial = self._trial(asked)
        end = _End(trial, self.old, self.manager, self.guard, self.now)
        steps = self._steps(trial, asked)
        step = "open"
        try:
            for step, (wording, action) in steps.items():
                self.say.step(wording)
                perform(step, action)
        except (AgentctlError, OSError) as error:
            raise self._back(end, step, error) from error
        except KeyboardInterrupt:
            # systemd goes on with the trial by itself; nobody else would.
            if not self.guard.goes_on and read_trial(self.layout):
                self._undo(end, step, "interrupted")
                end.give_up(_REASONS["interrupted"][0], own=False)
            raise
        end.keep()
        self._after_commit()
        perform("prune", lambda: prune(self.layout, _state(self.layout), self.change.trying.keep))
        return tuple(name for name in steps if name in CHANGING)

    def _trial(self, asked: Terms) -> Trial:
        return Trial(
            kind=self.change.kind,
            version=self.new.release.version,
            sha256=self.change.sha256,
            before=self.old.release.version,
            manager=self.manager.name,
            began=self.now(),
            seconds=asked.seconds,
            heard=heard_before(self.new),
        )

    def _steps(self, trial: Trial, asked: Terms) -> dict[str, tuple[str, Callable[[], object]]]:
        layout, manager, new = self.layout, self.manager, self.new
        service, version = new.service, trial.version
        return {
            "open": (f"note what stands, to go back to {trial.before}", lambda: self._open(trial)),
            "arm": (
                f"have {manager.name} watch the trial of {version}",
                lambda: self.guard.arm(trial, self.old, asked.restarts),
            ),
            "settings": (
                f"write {layout.env}",
                self._settings,
            ),
            "switch": (f"switch {layout.current} to {version}", self._switch),
            "configure": (f"set {service} up in {manager.name}", lambda: manager.configure(new)),
            "start": (f"start {service} {version}", lambda: manager.start(new)),
            "watch": (
                f"watch {service} {version} for {asked.window:g} s",
                lambda: watch(manager, new, asked, trial.heard, self.say.step),
            ),
            "commit": (f"keep {version}", self._commit),
        }

    def _open(self, trial: Trial) -> None:
        if read_trial(self.layout) is None:
            open_trial(self.layout, trial)

    def _settings(self) -> None:
        if settings_differ(self.new, self.manager.name, self.change.settings):
            write_settings(self.new, self.manager.name, self.change.settings)

    def _switch(self) -> None:
        point_link(self.layout.current, self.layout.release(self.new.release.version))

    def _commit(self) -> None:
        if not commit(self.layout):
            raise Failed(
                "it was taken back a moment before it was to be kept",
                own=False,
                why=standing(self.layout).why,
            )

    def _back(self, end: _End, step: str, error: Fault) -> Fault:
        """Bring the old version back, and give the error that says so."""
        if read_trial(self.layout) is None:
            return error
        failed = error if isinstance(error, Failed) else None
        own = failed.own if failed else step == "start" and _room(self.layout)
        reason = str(error).splitlines()[0]
        self._undo(end, step, failed.why if failed else "unhealthy" if own else "stopped")
        end.give_up(reason, own=own)
        if step in _HARMLESS:
            return error
        return self._reverted(reason, failed.log if failed else "", own=own)

    def _undo(self, end: _End, step: str, why: str) -> None:
        if step in _HARMLESS:
            begin_revert(self.layout, why)
            restore(self.layout)
            end_revert(self.layout)
            return
        self.say.step(f"bring {end.trial.before} back")
        self.guard.revert(self.old, why)

    def _reverted(self, reason: str, log: str, *, own: bool) -> Reverted:
        old, new = self.old.release.version, self.new.release.version
        try:
            wait_until_healthy(self.manager, self.old, self.say.step)
            now = f"{old} runs again and is healthy"
        except Unhealthy as error:
            now = f"{old} was started again, but {error.message}"
        lines = f"\nlast lines of its log:\n{log}" if log else ""
        return Reverted(
            f"{new} did not stay: {reason}\n{now}{lines}",
            hint="mend the version and publish it under a new number"
            if own
            else "mend that, then run the same command again",
        )

    def _before_switch(self) -> None:
        hooks = self.new.release.hooks
        if hooks.before_switch:
            self.say.step("run the release's command before the switch")
            perform("before-switch", lambda: run_hook(self.new, hooks.before_switch))

    def _after_commit(self) -> None:
        hooks = self.new.release.hooks
        if not hooks.after_commit:
            return
        self.say.step("run the release's command after the switch")
        try:
            perform("after-commit", lambda: run_hook(self.new, hooks.after_commit))
        except AgentctlError as error:
            # The version stays: it holds, and going back would undo what others may rely on.
            reason = f"its command after the switch failed: {error.message.splitlines()[0]}"
            self.say.step(reason)
            note(self.layout, Event(self.now(), "failed", self.new.release.version, reason))
