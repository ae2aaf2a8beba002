"""Watches a version that is on trial, and says whether it stays."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from toolkit.host.controller import CantSay, Heartbeats
from toolkit.host.errors import AgentctlError
from toolkit.host.health import SETTLED, Unanswered, look, process_of
from toolkit.host.manager import Installation, Manager, Process
from toolkit.host.redact import Redactor
from toolkit.host.release import Health
from toolkit.host.settings import secret_values
from toolkit.host.trial import ARMED, DISTURBED, HALTED, standing

# Less room than this, and what a version does says nothing of the version.
ROOM = 1_000_000
# How much longer than agentctl systemd waits: who knows more is to speak first.
MARGIN = 10
_LOG_LINES = 12
# Why others ended a trial: the first two by the version's own fault.
_BLAMED = ("failed", "unhealthy")
_ENDED = {
    "expired": "its time ran out before agentctl could confirm it",
    "unstarted": "its time ran out before agentctl could confirm it",
    "rebooted": "the host was started anew while it was on trial",
    HALTED: "somebody stopped it while it was on trial",
    DISTURBED: "somebody stopped or restarted it while it was on trial",
}


class Failed(AgentctlError):
    """The version on trial does not stay; `own` says that the fault is its own."""

    def __init__(self, message: str, *, own: bool, why: str, log: str = "") -> None:
        super().__init__(message)
        self.own = own
        self.why = why
        self.log = log


@dataclass(frozen=True)
class Terms:
    """What is asked of a version on trial.

    Its gate must hold for `window` seconds on end, with one main process, and must have begun
    to within `timeout` seconds; its manager may restart it `restarts` times. A controller that
    can't be asked is waited for `patience` seconds more.
    """

    window: float
    timeout: float
    restarts: int
    patience: float = 0.0

    @property
    def seconds(self) -> int:
        """How long a trial can take at most, until others end it."""
        return round(self.window + self.timeout + self.patience) + MARGIN


def terms(gate: Health | None, window: float | None) -> Terms:
    """Give the release's terms, with another window where one is given."""
    known = gate or SETTLED
    patience = known.controller.patience if known.controller else 0
    watched = known.watch if window is None else window
    return Terms(watched, known.timeout, known.restarts, patience)


def heard_before(new: Installation) -> str | None:
    """Give when the controller last heard from the agent: empty for never, None if it is silent."""
    beats = Heartbeats.of(new)
    try:
        return beats.last() if beats else None
    except CantSay:
        return None


def watch(
    manager: Manager,
    new: Installation,
    asked: Terms,
    heard: str | None,
    report: Callable[[str], None],
) -> None:
    """Return when the version has held its gate for the whole window, and its controller knows.

    `heard` is when the controller last heard from the agent before. Raises Failed as soon as the
    version can't hold any more.
    """
    _Watch(manager, new, asked, heard, report).run()


@dataclass
class _Watch:
    manager: Manager
    new: Installation
    asked: Terms
    heard: str | None
    report: Callable[[str], None]

    def __post_init__(self) -> None:
        self.gate = self.new.release.health or SETTLED
        self.pid: int | None = None
        self.since: float | None = None
        self.changes = 0
        self.beats = Heartbeats.of(self.new)
        self.was_silent = False

    def run(self) -> None:
        deadline = time.monotonic() + self.asked.timeout + self.asked.window
        while True:
            process = self._process()
            fault = look(self.gate, process, self.new)
            self._require_open(process)
            if process.stopped:
                raise self._failed(_ENDED[HALTED], process, why=HALTED)
            if process.restarts > self.asked.restarts:
                raise self._failed(f"its process was restarted {process.restarts} times", process)
            now = time.monotonic()
            held = self._held(fault, process, now) >= self.asked.window and fault is None
            if held and (fault := self._unheard()) is None:
                return
            if now > deadline + (self.asked.patience if held and self.was_silent else 0):
                raise self._failed(fault or self._too_late(), process)
            time.sleep(self.gate.interval)

    def _process(self) -> Process:
        """Look at the process; a manager that does not answer says nothing of the version."""
        try:
            return process_of(self.manager, self.new)
        except Unanswered as error:
            raise Failed(error.message, own=False, why="stopped") from error

    def _held(self, fault: str | None, process: Process, now: float) -> float:
        if fault is not None:
            self.since = None
            self.report(fault)
            return 0.0
        if self.since is None or process.pid != self.pid:
            self.changes += process.pid != self.pid
            self.pid, self.since = process.pid, now
        held = now - self.since
        # A line in ten seconds: a log file gets them too.
        self.report(f"healthy for {held // 10 * 10:.0f} of {self.asked.window:g} s")
        return held

    def _too_late(self) -> str:
        if self.changes > 1:
            return "its process kept changing"
        return f"it was not healthy for {self.asked.window:g} s on end in time"

    def _unheard(self) -> str | None:
        """Say what the controller lacks, if anything; one that can't be asked is not to blame."""
        if self.beats is None:
            return None
        version, wanted = self.new.release.version, self.beats.gate.beats
        try:
            if self.heard is None:  # it could not say before: what comes from now on counts
                self.heard = self.beats.last()
            seen = self.beats.count(version, self.heard)
        except CantSay as error:
            self.was_silent = True
            self.report(str(error))
            return str(error)
        if seen >= wanted:
            return None
        missing = f"the controller saw {seen} of {wanted} heartbeats of {version}"
        self.report(missing)
        return missing

    def _require_open(self, process: Process) -> None:
        """Raise Failed where systemd has ended the trial already."""
        found = standing(self.new.layout)
        if found.word != ARMED:
            times = self.asked.restarts + 1
            ended = f"its process ended more than {times} time{'s' if times > 1 else ''}"
            known = {"failed": ended, **_ENDED}
            reason = known.get(found.why, f"the version before was brought back ({found.why})")
            raise self._failed(reason, process, why=found.why)

    def _failed(self, fault: str, process: Process, why: str = "unhealthy") -> Failed:
        free = shutil.disk_usage(self.new.layout.home).free
        if free < ROOM:
            fault = f"the disk is full, and {fault}"
        log = self._log()
        if process.detail not in fault:
            fault = f"{fault} ({process.detail})"
        # The fault is noted where everybody may read it, and the log may be passed on.
        redactor = Redactor(secret_values(self.new))
        fault, log = redactor.text(fault), redactor.text(log)
        own = why in _BLAMED and free >= ROOM and not self.was_silent
        return Failed(fault, own=own, why=why, log=log)

    def _log(self) -> str:
        """Give the log's last lines; that they can't be read hides no fault."""
        try:
            return self.manager.logs(self.new, _LOG_LINES).strip()
        except (AgentctlError, OSError) as error:
            return f"(its log can't be read: {error})"
