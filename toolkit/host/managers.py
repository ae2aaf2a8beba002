"""The process managers by name."""

from __future__ import annotations

from toolkit import __version__
from toolkit.host.direct import Direct
from toolkit.host.errors import TooOld, Unsupported
from toolkit.host.manager import Manager
from toolkit.host.pm2 import Pm2
from toolkit.host.release import Release
from toolkit.host.systemd import Systemd
from toolkit.host.systemd_user import SystemdUser

_ALL: tuple[Manager, ...] = (Systemd(), SystemdUser(), Pm2(), Direct())
MANAGERS = {manager.name: manager for manager in _ALL}


def manager_called(name: str) -> Manager:
    """Give the manager that state.json or a trial names; raises TooOld for one of the future."""
    if name not in MANAGERS:
        raise TooOld(
            f"{name!r} is no process manager that agentctl {__version__} knows",
            hint="use the agentctl that installed the service, or a newer one",
        )
    return MANAGERS[name]


def manager_for(name: str, release: Release) -> Manager:
    """Give the manager called `name`; raises Unsupported where the release has no place for it."""
    if name not in release.service.managers:
        raise Unsupported(
            f"{release.name} {release.version} is not made to run under {name!r}",
            hint=f"use PROCESS_MANAGER={' or '.join(release.service.managers)}",
        )
    return MANAGERS[name]
