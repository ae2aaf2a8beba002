"""Puts another version on trial: it stays if it holds, else the one before comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from toolkit.host.ending import REASONS, Ending, room
from toolkit.host.errors import AgentctlError, CommandFailed, PutAside, Reverted, StartFailed
from toolkit.host.files import point_link
from toolkit.host.guard import Guard, guard_for
from toolkit.host.health import wait_until_healthy
from toolkit.host.hooks import run_hook
from toolkit.host.interrupts import hang_up_held_off, held_off
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Manager
from toolkit.host.redact import Redactor
from toolkit.host.request import Say, Trying
from toolkit.host.settings import secret_values, settings_differ, write_settings
from toolkit.host.steps import perform
from toolkit.host.tidy import tidy
from toolkit.host.trial import (
    COMMITTED,
    HALTED,
    Trial,
    begin_revert,
    commit,
    end_revert,
    open_trial,
    read_trial,
    restore,
    standing,
)
from toolkit.host.watch import Failed, Terms, heard_before, terms, watch

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
    with hang_up_held_off():
        return _TryOut(change, guard_for(change.manager, change.old.account), say, now).run()


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
            self._require_in_work()
            self._before_switch()
            trial = self._trial(asked)
        trial = replace(trial, keep=self.change.trying.keep)
        end = Ending(trial, self.old, self.manager, self.guard, self.now)
        steps = self._steps(trial, asked)
        step = "open"
        try:
            for step, (wording, action) in steps.items():
                self.say.step(wording)
                perform(step, action)
        except KeyboardInterrupt:
            # systemd goes on with the trial by itself; nobody else would.
            self._interrupted(end, step)
            raise
        except Exception as error:  # whatever it is: no version stays that nobody watched
            raise self._back(end, step, error) from error
        end.keep()
        tidy(self.layout, self.say, self.now)
        return tuple(name for name in steps if name in CHANGING)

    def _interrupted(self, end: Ending, step: str) -> None:
        if read_trial(self.layout) is None:
            return
        if self.guard.goes_on:
            trial = end.trial
            self.say.step(
                f"{trial.version} is still on trial: {trial.manager} brings {trial.before} back "
                "when its time is over, unless you run the same command again before"
            )
            return
        with held_off():
            if standing(self.layout).word == COMMITTED:
                end.keep()
                return
            self._undo(end, step, "interrupted")
            end.make_sure()
            end.give_up(REASONS["interrupted"][0], own=False)

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
            "start": (f"start {service} {version}", self._start),
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

    def _start(self) -> None:
        self.manager.start(self.new)
        self.guard.begin(self.new.service)

    def _commit(self) -> None:
        if not commit(self.layout):
            raise Failed(
                "it was taken back a moment before it was to be kept",
                own=False,
                why=standing(self.layout).why,
            )

    def _back(self, end: Ending, step: str, error: Exception) -> Exception:
        """Bring the old version back, and give the error that says so."""
        if read_trial(self.layout) is None:
            return error
        failed = error if isinstance(error, Failed) else None
        own = failed.own if failed else isinstance(error, StartFailed) and room(self.layout)
        reason = _reason(error)
        harmless = self._harmless(end, step)
        with held_off():
            try:
                self._undo(end, step, failed.why if failed else "unhealthy" if own else "stopped")
                end.make_sure()
            except Exception as worse:  # noqa: BLE001 - told; the next call goes on with the trial
                return self._half_back(reason, worse)
            halted = standing(self.layout).why == HALTED
            end.give_up(reason, own=own)
        if harmless:
            return error
        now = f"{self.old.release.version} is back, and stays stopped" if halted else self._now()
        return self._reverted(reason, failed.log if failed else "", now, own=own)

    def _half_back(self, reason: str, worse: Exception) -> AgentctlError:
        old, new = self.old.release.version, self.new.release.version
        return CommandFailed(
            Redactor(secret_values(self.old)).text(
                f"{new} did not stay: {reason}\nand {old} is not back yet: {_reason(worse)}"
            ),
            hint=f"run it again, which goes on: {self.layout.agentctl} rollback --to {old}",
        )

    def _harmless(self, end: Ending, step: str) -> bool:
        """Say whether the old version still runs; not so where an earlier call had switched."""
        return step in _HARMLESS and self.layout.running_version() == end.trial.before

    def _undo(self, end: Ending, step: str, why: str) -> None:
        if self._harmless(end, step):
            begin_revert(self.layout, why)
            restore(self.layout)
            end_revert(self.layout)
            return
        self.say.step(f"bring {end.trial.before} back")
        self.guard.revert(self.old, why)

    def _now(self) -> str:
        """Say how the old version does."""
        old = self.old.release.version
        try:
            wait_until_healthy(self.manager, self.old, self.say.step)
        except (AgentctlError, OSError) as error:
            return f"{old} was started again, but {error}"
        return f"{old} runs again and is healthy"

    def _reverted(self, reason: str, log: str, now: str, *, own: bool) -> Reverted:
        new = self.new.release.version
        lines = f"\nlast lines of its log:\n{log}" if log else ""
        message = f"{new} did not stay: {reason}\n{now}{lines}"
        return Reverted(
            Redactor(secret_values(self.old)).text(message),
            hint="mend the version and publish it under a new number"
            if own
            else "mend that, then run the same command again",
        )

    def _require_in_work(self) -> None:
        """Raise PutAside where nobody asked for a start, and somebody has stopped the service."""
        word = self.manager.put_aside(self.old) if self.change.trying.unattended else None
        if word is not None:
            raise PutAside(self.old.service, word, self.new.release.version)

    def _before_switch(self) -> None:
        hooks = self.new.release.hooks
        if hooks.before_switch:
            self.say.step("run the release's command before the switch")
            perform("before-switch", lambda: run_hook(self.new, hooks.before_switch))


def _reason(error: Exception) -> str:
    """Give the first line of a fault; of one that nobody foresaw, what it is."""
    if isinstance(error, (AgentctlError, OSError)):
        return str(error).splitlines()[0]
    return f"agentctl has a fault of its own: {error!r}"
