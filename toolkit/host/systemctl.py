"""Speaks with a systemd, the system's or a user's own, about one unit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.host.accounts import Account
from toolkit.host.commands import run
from toolkit.host.errors import CommandFailed, StartFailed
from toolkit.host.files import sync_folder
from toolkit.host.manager import Process

# How long a service may take to end: systemd's own limit for it, and some more.
END_SECONDS = 100.0
TICK = 0.1
# Job is left out by systemd where there is none.
_PROPERTIES = ("ActiveState", "SubState", "MainPID", "NRestarts", "Result", "Restart", "Job")
_DISABLED = ("disabled", "masked", "masked-runtime")


@dataclass(frozen=True)
class Systemctl:
    """A systemd: `scope` is what its programs are called with, `account` whose it is."""

    scope: tuple[str, ...] = ()
    account: Account | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def ask(self, program: str, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        """Run systemctl or journalctl; gives what it printed."""
        argv = [program, *self.scope, *arguments]
        return run(argv, account=self.account, env=self.env, accept=accept)

    def enabled(self, unit: str) -> bool:
        """Say whether the unit starts by itself."""
        return self.ask("systemctl", "is-enabled", unit, accept=(0, 1, 4)).strip() == "enabled"

    def enable(self, unit: str) -> None:
        """Have systemd read its files anew, and start the unit by itself from the next boot on."""
        self.ask("systemctl", "daemon-reload")
        self.ask("systemctl", "enable", "--quiet", unit)

    def start_anew(self, unit: str, *, notifies: bool) -> None:
        """Restart the unit, also one that systemd has given up on.

        One that says itself when it is ready is not waited for: that is the health gate's part.
        Only that its former process is gone is seen to, since that one looks healthy.
        """
        self.ask("systemctl", "reset-failed", unit, accept=(0, 1))
        if not notifies:
            self._restart(unit)
            return
        before = self._invocation(unit)
        self.ask("systemctl", "restart", "--no-block", unit)
        deadline = time.monotonic() + END_SECONDS
        while self._invocation(unit) == before:
            if time.monotonic() > deadline:
                raise CommandFailed(f"systemd did not restart {unit} within {END_SECONDS:g} s")
            time.sleep(TICK)

    def _restart(self, unit: str) -> None:
        """Raise StartFailed where systemd tried; CommandFailed where it could not be told to."""
        try:
            self.ask("systemctl", "restart", unit)
        except CommandFailed as error:
            if f"Job for {unit} failed" in error.message:
                raise StartFailed(error.message, hint=error.hint) from error
            raise

    def _invocation(self, unit: str) -> str:
        """Give the id that systemd gives to each start of a unit."""
        return self.ask("systemctl", "show", unit, "--property=InvocationID", "--value").strip()

    def process(self, unit: str) -> Process:
        """Look at the unit's main process."""
        wanted = [f"--property={name}" for name in _PROPERTIES]
        shown = self.ask("systemctl", "show", unit, *wanted)
        try:
            values = dict(line.split("=", 1) for line in shown.splitlines())
            pid, restarts = int(values["MainPID"]), int(values["NRestarts"])
            running = values["ActiveState"] == "active" and values["SubState"] == "running"
            detail = f"{values['ActiveState']} ({values['SubState']}), result {values['Result']}"
            # What systemd would start again by itself is at rest only where somebody stopped it.
            rests = values["ActiveState"] == "inactive" and not values.get("Job")
            stopped = rests and values["Restart"] == "always" and not self._shuts_down()
        except (ValueError, KeyError) as error:
            raise CommandFailed(
                f"systemd's answer about {unit} can't be read: {shown[-200:]!r}"
            ) from error
        return Process(running, pid or None, restarts, detail, stopped)

    def put_aside(self, unit: str) -> str | None:
        """Say that the unit is disabled, or stopped, where somebody did that; else None."""
        enabled = self.ask("systemctl", "is-enabled", unit, accept=(0, 1, 4)).strip()
        if enabled in _DISABLED:
            return enabled
        ask = ("show", unit, "--property=ActiveState", "--property=Job")
        shown = self.ask("systemctl", *ask)
        found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        # One that waits to be started has a job.
        rests = found.get("ActiveState") == "inactive" and not found.get("Job")
        return "stopped" if rests else None

    def _shuts_down(self) -> bool:
        """Say whether all units are being stopped, with the host."""
        accept = tuple(range(256))
        return self.ask("systemctl", "is-system-running", accept=accept).strip() == "stopping"

    @staticmethod
    def sync(folder: Path) -> None:
        """Put the names in a folder of units on the disk, of what systemctl enabled too.

        systemctl leaves that to the kernel. What agentctl notes next is synced, and may stand on
        another filesystem: after a power cut it would speak of units that are not there, or those
        of a trial that has ended would be there again.
        """
        for path in (folder, *folder.glob("*.wants"), *folder.glob("*.service.d")):
            sync_folder(path)

    def forget(self, unit: str) -> None:
        """Read the files anew after the unit's were removed, and drop what is known of it."""
        self.ask("systemctl", "daemon-reload")
        self.ask("systemctl", "reset-failed", unit, accept=(0, 1))
