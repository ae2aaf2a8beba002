"""How a trial ends, whoever ended it: what is noted of it, and what of it goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from toolkit.host.accounts import existing_account
from toolkit.host.errors import AgentctlError
from toolkit.host.files import point_link
from toolkit.host.guard import Guard, guard_for
from toolkit.host.history import Event, note
from toolkit.host.known import known_release
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Manager
from toolkit.host.managers import manager_called
from toolkit.host.postpone import postponed
from toolkit.host.request import Say
from toolkit.host.state import State, read_state, write_state
from toolkit.host.steps import perform
from toolkit.host.tidy import left_to_do, tidy
from toolkit.host.trial import (
    ARMED,
    COMMITTED,
    DISTURBED,
    HALTED,
    REVERTED,
    Trial,
    close_trial,
    free_reserve,
    read_trial,
    standing,
)
from toolkit.host.watch import ROOM

# Why a trial ended, where nobody saw more; and whether that was the version's own fault.
REASONS = {
    "failed": ("its process ended more often than it may", True),
    "unhealthy": ("its health gate did not hold", True),
    "expired": ("nobody confirmed it in time, since agentctl had been ended", False),
    "unstarted": ("agentctl had been ended before it was started", False),
    "rebooted": ("the host was started anew while it was on trial", False),
    HALTED: ("somebody stopped it while it was on trial", False),
    DISTURBED: ("somebody stopped or restarted it while it was on trial", False),
    "superseded": ("agentctl had been ended, and the next call asked for something else", False),
    "interrupted": ("agentctl was interrupted", False),
    "stopped": ("agentctl could not go on", False),
}


@dataclass(frozen=True)
class Settling:
    """What is to become of a trial that is still open.

    It stays open where it is of the version with the SHA-256 `resume`; else it ends, for the reason
    `why`. With `only_note`, a version that systemd has brought back is not looked after any
    further: systemd starts it only when this has ended. Nor is then done what is left to do.
    """

    resume: str | None = None
    only_note: bool = False
    why: str = "superseded"


def settle(layout: Layout, say: Say, now: Callable[[], str], how: Settling | None = None) -> None:
    """Finish or undo a trial that agentctl was cut off from; nothing where there is none."""
    how = how or Settling()
    trial = read_trial(layout)
    if trial is None:
        close_trial(layout)
        if not how.only_note:
            tidy(layout, say, now)
        return
    found = standing(layout)
    if found.word == ARMED and how.resume == trial.sha256:
        return
    state = known_state(layout)
    like = known_release(layout, state, trial.version)
    old = Installation(
        known_release(layout, state, trial.before, like), layout, existing_account(state.user)
    )
    manager = manager_called(trial.manager)
    end = Ending(trial, old, manager, guard_for(manager, old.account), now)
    if found.word == COMMITTED:
        say.step(f"note that {trial.version} was kept")
        end.keep()
        if not how.only_note:
            tidy(layout, say, now)
        return
    say.step(f"bring {trial.before} back: {trial.version} was on trial")
    why = found.why or how.why
    if found.word != REVERTED:
        end.guard.revert(old, why)
    reason, own = REASONS.get(why, (why, False))
    if not (how.only_note and found.word == REVERTED):
        end.make_sure()
    end.give_up(reason, own=own and room(layout))


def room(layout: Layout) -> bool:
    """Say whether the disk has room: without it, nothing is a version's own fault."""
    found = os.statvfs(layout.home)
    return found.f_bavail * found.f_frsize >= ROOM


def known_state(layout: Layout) -> State:
    """Give the state; raises AgentctlError where it is gone."""
    state = read_state(layout)
    if state is None:
        raise AgentctlError(
            f"{layout.state} is gone", hint="put it back from a backup, or uninstall the service"
        )
    return state


@dataclass(frozen=True)
class Ending:
    """How a trial ends: what is noted, and what of it goes."""

    trial: Trial
    old: Installation
    manager: Manager
    guard: Guard
    now: Callable[[], str]

    @property
    def layout(self) -> Layout:
        """The folder of the service."""
        return self.old.layout

    def keep(self) -> None:
        """Note that the version stays, and forget the trial."""
        trial = self.trial
        what = {"upgrade": "upgraded", "rollback": "rolled back"}[trial.kind]
        reason = "it held its health gate for its whole watch window"
        state = known_state(self.layout)
        failed = {**state.failed}
        failed.pop(trial.sha256, None)
        # Who goes to what was gone back from has changed their mind: no word against the other.
        returns = trial.sha256 in state.failed
        if trial.kind == "rollback" and state.version == trial.before and not returns:
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
            left=left_to_do(trial.version, trial.keep),
            postponed=None,
        )
        self._end(kept, Event(kept.at, what, trial.version, reason, trial.before))

    def _configured(self) -> bool:
        """Say whether the manager has it as it should; what can't be read, was put back."""
        try:
            return self.manager.configured(self.old)
        except FileNotFoundError:
            return True

    def _details(self, state: State) -> Mapping[str, Any]:
        """Give what the manager must know of the version that stays, and of what it made before."""
        release = known_release(self.layout, state, self.trial.version, self.old.release)
        made = {key: True for key, value in state.details.items() if key[:5] == "made_" and value}
        new = Installation(release, self.layout, self.old.account)
        return {**self.manager.foresee(new), **made}

    def give_up(self, reason: str, *, own: bool) -> None:
        """Note that the old version runs again, and forget the trial."""
        trial, state = self.trial, known_state(self.layout)
        failed = {**state.failed}
        if own:
            fault = {"version": trial.version, "reason": reason, "at": self.now()}
            failed[trial.sha256] = fault
        waits = None if own else self._postponed(state, reason)
        back = replace(
            state,
            version=trial.before,
            sha256=self.layout.staged_sha256(trial.before) or state.sha256,
            outcome="reverted",
            reason=f"{trial.version} was tried and taken back: {reason}",
            at=self.now(),
            failed=failed,
            postponed=waits,
        )
        self._end(back, Event(back.at, "reverted", trial.version, reason, trial.before))

    def _postponed(self, state: State, reason: str) -> Mapping[str, Any]:
        trial = self.trial
        return postponed(state.postponed, trial.sha256, trial.version, reason, self.now())

    def _end(self, state: State, event: Event) -> None:
        free_reserve(self.layout)
        perform("record", lambda: write_state(self.layout, state))
        perform("history", lambda: note(self.layout, event, self.trial.began))
        perform("disarm", lambda: self.guard.disarm(self.layout, self.old.service))
        perform("close", lambda: close_trial(self.layout))

    def make_sure(self) -> None:
        """Bring the old version back by hand where a step came in between.

        One that somebody stopped stays so.
        """
        back = self.layout.running_version() == self.trial.before
        halted = standing(self.layout).why == HALTED
        if back and (halted or self._configured()):
            return
        point_link(self.layout.current, self.layout.release(self.trial.before))
        if halted:
            return
        self.manager.configure(self.old)
        self.manager.start(self.old)
