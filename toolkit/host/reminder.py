"""Has systemd call agentctl where nobody watches a trial under PM2 or `direct` any more.

They can't bring a version back themselves. So a timer, and under PM2 the next boot, calls
`agentctl settle`, which does nothing as long as another agentctl is at work.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from toolkit.host.files import sync_filesystem, write_atomic
from toolkit.host.manager import Installation
from toolkit.host.release import default_home
from toolkit.host.systemctl import Systemctl
from toolkit.host.systemd_guard import ENDING, EXPIRED, REBOOTED
from toolkit.host.trial import Trial

_SYSTEM = Systemctl()
RUNS = Path("/run/systemd/system")

_UNIT = """\
# Written by agentctl for the time of a trial.
[Unit]
Description=End the trial of a version of {service} that nobody watches any more
ConditionPathExists={trial}
After=pm2-{user}.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={agentctl} settle --ended %i
# What it starts, PM2's daemon or a supervisor, is to outlive it.
KillMode=process
"""

_TIMER = """\
# Written by agentctl for the time of a trial.
[Unit]
Description=The time to keep the version of {service} that is on trial

[Timer]
OnActiveSec={seconds}
# Again where agentctl stood still and held its lock.
OnUnitInactiveSec=60
AccuracySec=1s
"""


@dataclass(frozen=True)
class Reminder:
    """A timer of the system's systemd in `folder`, and with `boot` what the next boot starts."""

    folder: Path
    boot: bool

    def set(self, trial: Trial, old: Installation) -> None:
        """Write the units and start the timer, where this is a host with systemd, and ours."""
        service, layout = old.service, old.layout
        if not RUNS.is_dir() or os.geteuid() != 0 or str(layout.home) != default_home(service):
            return
        values = {
            "service": service,
            "trial": layout.trial,
            "agentctl": layout.agentctl,
            "user": old.account.name,
            "seconds": trial.seconds + ENDING,
        }
        for path, text in ((self._unit(service), _UNIT), (self._timer(service), _TIMER)):
            write_atomic(path, text.format(**values).encode(), 0o644)
        if self.boot:
            link = self._wanted(service)
            link.parent.mkdir(mode=0o755, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self._unit(service))
        sync_filesystem(self.folder)
        _SYSTEM.ask("systemctl", "daemon-reload")
        self.begin(service)

    def begin(self, service: str) -> None:
        """Have the time run from now on."""
        if self._timer(service).exists():
            _SYSTEM.ask("systemctl", "restart", self._timer(service).name)

    def take_away(self, service: str) -> None:
        """Stop the timer and remove what was written, however far that came."""
        paths = (self._wanted(service), self._timer(service), self._unit(service))
        if not any(os.path.lexists(path) for path in paths):
            return
        _SYSTEM.ask("systemctl", "stop", self._timer(service).name, accept=(0, 5))
        for path in paths:
            path.unlink(missing_ok=True)
        # No daemon-reload: what the timer started may be doing this, and with its unit's file gone
        # systemd would forget KillMode, and end the old version's supervisor along with it.
        _SYSTEM.sync(self.folder)

    def _unit(self, service: str) -> Path:
        return self.folder / f"{service}-settle@.service"

    def _timer(self, service: str) -> Path:
        return self.folder / f"{service}-settle@{EXPIRED}.timer"

    def _wanted(self, service: str) -> Path:
        return self.folder / "multi-user.target.wants" / f"{service}-settle@{REBOOTED}.service"
