"""What brings the old version back: systemd, which outlives agentctl, or agentctl itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from toolkit.host.accounts import Account
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Manager
from toolkit.host.pm2 import Pm2
from toolkit.host.reminder import Reminder
from toolkit.host.systemd import SYSTEM, UNIT_FOLDER, Systemd
from toolkit.host.systemd_guard import SystemdGuard
from toolkit.host.systemd_user import SystemdUser, user_systemctl, user_units
from toolkit.host.trial import DISTURBED, HALTED, Trial, begin_revert, end_revert, restore


class Guard(Protocol):
    """Who watches over a trial when agentctl can't, and how the old version comes back."""

    @property
    def goes_on(self) -> bool:
        """Say whether the trial goes on, and is ended, with agentctl gone."""

    def arm(self, trial: Trial, old: Installation, restarts: int) -> None:
        """See to it that the old version comes back, unless the trial is committed in time.

        `restarts` is how often the version on trial may be restarted. May be done again, and
        the time then begins anew.
        """

    def begin(self, service: str) -> None:
        """Say that the version was started: the time to commit begins now."""

    def revert(self, old: Installation, why: str) -> None:
        """Bring the old version back, unless the new one was kept; returns when it was started."""

    def disarm(self, layout: Layout, service: str) -> None:
        """Forget the trial; all that `arm` made is gone, also what it half made."""


@dataclass(frozen=True)
class OwnGuard:
    """For managers that can't do it: agentctl's own watch, or its next run where it was killed.

    Where there is a system's systemd, that sees to the next run.
    """

    manager: Manager
    reminder: Reminder
    goes_on = False

    def arm(self, trial: Trial, old: Installation, restarts: int) -> None:
        """Have agentctl called when the time is over."""
        del restarts
        self.reminder.set(trial, old)

    def begin(self, service: str) -> None:
        """Have that time run from now on."""
        self.reminder.begin(service)

    def revert(self, old: Installation, why: str) -> None:
        """Put back what stood before, and start it, also where somebody stopped the new one."""
        begin_revert(old.layout, DISTURBED if why == HALTED else why)
        restore(old.layout)
        self.manager.configure(old)
        self.manager.start(old)
        end_revert(old.layout)

    def disarm(self, layout: Layout, service: str) -> None:
        """Take the timer away."""
        del layout
        self.reminder.take_away(service)


def guard_for(manager: Manager, account: Account) -> Guard:
    """Give the guard of a service of `account` that runs under `manager`."""
    if manager.name == Systemd.name:
        return SystemdGuard(SYSTEM, UNIT_FOLDER, "multi-user.target")
    if manager.name == SystemdUser.name:
        return SystemdGuard(user_systemctl(account), user_units(account), "default.target")
    # `direct` starts nothing at boot: there nothing runs that nobody watches.
    return OwnGuard(manager, Reminder(UNIT_FOLDER, boot=manager.name == Pm2.name))
