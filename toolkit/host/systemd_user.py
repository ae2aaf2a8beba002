"""A user's own systemd as process manager: no root, and it runs on with nobody logged in."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.host.accounts import Account, find_account
from toolkit.host.commands import run
from toolkit.host.errors import CommandFailed, NotPermitted, Unsupported
from toolkit.host.files import differs, write_if_changed
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Process
from toolkit.host.release import USER_UNITS, user_home
from toolkit.host.systemctl import Systemctl

LINGER = Path("/var/lib/systemd/linger")
MANAGER_SECONDS = 30.0
TICK = 0.2


class SystemdUser:
    """Installs the user unit that came with the release, in the folder of the user who calls."""

    name = "systemd-user"

    def require(self, installation: Installation) -> None:
        """Raise where systemd is not PID 1, for root, and where the folder is another's.

        The user is made to linger here already: where that is refused, nothing was changed yet.
        """
        if not Path("/run/systemd/system").is_dir():
            raise Unsupported("systemd does not run this host", hint="use PROCESS_MANAGER=direct")
        if os.geteuid() == 0:
            raise NotPermitted(
                "a user's own unit is not for root",
                hint="run the command without sudo, or use PROCESS_MANAGER=systemd",
            )
        home = user_home(installation.account.home, installation.service)
        if str(installation.layout.home) != home:
            raise Unsupported(
                f"the release's user unit runs from {home}, not from {installation.layout.home}",
                hint="leave INSTALL_DIR out, or use PROCESS_MANAGER=direct",
            )
        if not _lingers(installation.account):
            _linger(installation.account)
        _wait_for_manager(installation.account)

    def configured(self, installation: Installation) -> bool:
        """Say whether the unit stands as it should, is enabled, and starts with no login."""
        return (
            not differs(_path(installation.account, installation.service), _text(installation))
            and _lingers(installation.account)
            and user_systemctl(installation.account).enabled(_unit(installation.service))
        )

    def foresee(self, installation: Installation) -> Mapping[str, Any]:
        """Give whose systemd it is."""
        return {"user": installation.account.name}

    def configure(self, installation: Installation) -> None:
        """Write the unit and enable it."""
        path = _path(installation.account, installation.service)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_if_changed(path, _text(installation), 0o644)
        user_systemctl(installation.account).enable(_unit(installation.service))
        Systemctl.sync(user_units(installation.account))

    def start(self, installation: Installation) -> None:
        """Restart the unit, also one that systemd has given up on."""
        gate = installation.release.health
        notifies = gate is not None and gate.notify
        control = user_systemctl(installation.account)
        control.start_anew(_unit(installation.service), notifies=notifies)

    def process(self, installation: Installation) -> Process:
        """Ask the user's systemd for the unit's main process."""
        if not _runtime(installation.account).is_dir():
            return Process(False, None, 0, f"no systemd of {installation.account.name} runs")
        return user_systemctl(installation.account).process(_unit(installation.service))

    def put_aside(self, installation: Installation) -> str | None:
        """Ask the user's systemd whether the unit was stopped or disabled."""
        if not _runtime(installation.account).is_dir():
            return None
        return user_systemctl(installation.account).put_aside(_unit(installation.service))

    def logs(self, installation: Installation, lines: int) -> str:
        """Give the unit's last lines in the user's journal."""
        words = ("--unit", _unit(installation.service), "--lines", str(lines), "--no-pager")
        return user_systemctl(installation.account).ask("journalctl", "--quiet", *words)

    def remove(self, layout: Layout, service: str, details: Mapping[str, Any]) -> None:
        """Stop and disable the unit and remove it; the user lingers on, other units may need it."""
        del layout
        account = find_account(details["user"]) if "user" in details else None
        if account is None:
            return
        path, unit, control = _path(account, service), _unit(service), user_systemctl(account)
        if path.exists():
            _wait_for_manager(account)
            control.ask("systemctl", "disable", "--now", "--quiet", unit)
            path.unlink()
            control.sync(path.parent)
            control.forget(unit)


def user_systemctl(account: Account) -> Systemctl:
    """Give what speaks with the user's own systemd."""
    environment = {
        "XDG_RUNTIME_DIR": str(_runtime(account)),
        "HOME": account.home,
        "USER": account.name,
    }
    return Systemctl(("--user",), account, environment)


def _runtime(account: Account) -> Path:
    return Path(f"/run/user/{account.uid}")


def _unit(service: str) -> str:
    return f"{service}.service"


def user_units(account: Account) -> Path:
    """Give the folder of the user's own units."""
    return Path(account.home) / ".config/systemd/user"


def _path(account: Account, service: str) -> Path:
    return user_units(account) / _unit(service)


def _text(installation: Installation) -> bytes:
    release = installation.layout.release(installation.release.version)
    return (release / USER_UNITS / _unit(installation.service)).read_bytes()


def _lingers(account: Account) -> bool:
    return (LINGER / account.name).exists()


def _linger(account: Account) -> None:
    """Have the user's systemd run from boot on; for oneself that mostly needs no root (polkit)."""
    try:
        run(["loginctl", "--no-ask-password", "enable-linger", account.name])
    except CommandFailed as error:
        raise NotPermitted(
            f"{account.name} may not have services that run with nobody logged in:"
            f" {error.message.splitlines()[-1]}",
            hint=f"have an administrator run: sudo loginctl enable-linger {account.name}",
        ) from error


def _wait_for_manager(account: Account) -> None:
    """Wait until the user's systemd answers: it has just been started, or the host has."""
    deadline = time.monotonic() + MANAGER_SECONDS
    while True:
        try:
            user_systemctl(account).ask("systemctl", "show", "--property=Version")
        except CommandFailed as error:
            if time.monotonic() > deadline:
                raise CommandFailed(
                    f"the systemd of {account.name} does not answer: {error.message}",
                    hint=f"look at it: systemctl status user@{account.uid}",
                ) from error
            time.sleep(TICK)
        else:
            return
