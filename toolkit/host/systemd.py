"""The system's systemd as process manager."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.host.errors import NotPermitted, Unsupported
from toolkit.host.files import differs, write_if_changed
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Process
from toolkit.host.release import UNITS, default_home
from toolkit.host.systemctl import Systemctl

UNIT_FOLDER = Path("/etc/systemd/system")
SYSTEM = Systemctl()


class Systemd:
    """Installs the unit that came with the release; what is this host's goes into a drop-in."""

    name = "systemd"

    def require(self, installation: Installation) -> None:
        """Raise where systemd is not PID 1, where root is needed, or the folder is not /opt's."""
        if not Path("/run/systemd/system").is_dir():
            raise Unsupported(
                "systemd does not run this host", hint="use PROCESS_MANAGER=direct or pm2"
            )
        if os.geteuid() != 0:
            raise NotPermitted("a system unit needs root", hint="run the command with sudo")
        home = default_home(installation.service)
        if str(installation.layout.home) != home:
            raise Unsupported(
                f"the release's unit runs from {home}, not from {installation.layout.home}",
                hint=f"install into {home}, or use PROCESS_MANAGER=direct",
            )

    def configured(self, installation: Installation) -> bool:
        """Say whether unit and drop-in stand as they should, and the unit is enabled."""
        if any(differs(path, data) for path, data in _files(installation).items()):
            return False
        return SYSTEM.enabled(_unit(installation.service))

    def foresee(self, installation: Installation) -> Mapping[str, Any]:
        """Give nothing: the unit's name says it all."""
        del installation
        return {}

    def configure(self, installation: Installation) -> None:
        """Write unit and drop-in, and enable the unit."""
        for path, data in _files(installation).items():
            path.parent.mkdir(mode=0o755, exist_ok=True)
            write_if_changed(path, data, 0o644)
        SYSTEM.enable(_unit(installation.service))
        SYSTEM.sync(UNIT_FOLDER)

    def start(self, installation: Installation) -> None:
        """Restart the unit, also one that systemd has given up on."""
        gate = installation.release.health
        notifies = gate is not None and gate.notify
        SYSTEM.start_anew(_unit(installation.service), notifies=notifies)

    def process(self, installation: Installation) -> Process:
        """Ask systemd for the unit's main process."""
        return SYSTEM.process(_unit(installation.service))

    def put_aside(self, installation: Installation) -> str | None:
        """Ask systemd whether the unit was stopped or disabled."""
        return SYSTEM.put_aside(_unit(installation.service))

    def logs(self, installation: Installation, lines: int) -> str:
        """Give the unit's last lines in the journal."""
        unit = _unit(installation.service)
        return SYSTEM.ask("journalctl", "--unit", unit, "--lines", str(lines), "--no-pager")

    def remove(self, layout: Layout, service: str, details: Mapping[str, Any]) -> None:
        """Stop and disable the unit, and remove it with its drop-ins."""
        del layout, details
        unit = _unit(service)
        drop_in = _drop_in(service)
        if (UNIT_FOLDER / unit).exists():
            SYSTEM.ask("systemctl", "disable", "--now", "--quiet", unit)
        (UNIT_FOLDER / unit).unlink(missing_ok=True)
        drop_in.unlink(missing_ok=True)
        if drop_in.parent.is_dir() and not any(drop_in.parent.iterdir()):
            drop_in.parent.rmdir()
        SYSTEM.sync(UNIT_FOLDER)
        SYSTEM.forget(unit)


def _unit(service: str) -> str:
    return f"{service}.service"


def _drop_in(service: str) -> Path:
    return UNIT_FOLDER / f"{_unit(service)}.d" / "10-host.conf"


def _files(installation: Installation) -> dict[Path, bytes]:
    """Give what must stand in systemd's folder; the drop-in only where the user is the host's."""
    unit = _unit(installation.service)
    release = installation.layout.release(installation.release.version)
    files = {UNIT_FOLDER / unit: (release / UNITS / unit).read_bytes()}
    if installation.release.service.user is None:
        text = f"[Service]\nUser={installation.account.name}\n"
        files[_drop_in(installation.service)] = text.encode()
    return files
