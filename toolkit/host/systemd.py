"""The system's systemd as process manager."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.host.commands import run
from toolkit.host.errors import CommandFailed, NotPermitted, Unsupported
from toolkit.host.files import differs, write_if_changed
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Process
from toolkit.host.release import UNITS, default_home

UNIT_FOLDER = Path("/etc/systemd/system")
# How long a service may take to end: systemd's own limit for it, and some more.
END_SECONDS = 100.0
TICK = 0.1
_PROPERTIES = ("ActiveState", "SubState", "MainPID", "NRestarts", "Result")


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
        answer = run(["systemctl", "is-enabled", _unit(installation.service)], accept=(0, 1, 4))
        return answer.strip() == "enabled"

    def foresee(self, installation: Installation) -> Mapping[str, Any]:
        """Give nothing: the unit's name says it all."""
        del installation
        return {}

    def configure(self, installation: Installation) -> None:
        """Write unit and drop-in, and enable the unit."""
        for path, data in _files(installation).items():
            path.parent.mkdir(mode=0o755, exist_ok=True)
            write_if_changed(path, data, 0o644)
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "enable", "--quiet", _unit(installation.service)])

    def start(self, installation: Installation) -> None:
        """Restart the unit, also one that systemd has given up on."""
        unit = _unit(installation.service)
        run(["systemctl", "reset-failed", unit], accept=(0, 1))
        gate = installation.release.health
        if gate is not None and gate.notify:
            _restart_and_leave(unit)
        else:
            run(["systemctl", "restart", unit])

    def process(self, installation: Installation) -> Process:
        """Ask systemd for the unit's main process."""
        shown = run(
            ["systemctl", "show", _unit(installation.service)]
            + [f"--property={name}" for name in _PROPERTIES]
        )
        values = dict(line.split("=", 1) for line in shown.splitlines())
        pid = int(values["MainPID"])
        running = values["ActiveState"] == "active" and values["SubState"] == "running"
        detail = f"{values['ActiveState']} ({values['SubState']}), result {values['Result']}"
        return Process(running, pid or None, int(values["NRestarts"]), detail)

    def logs(self, installation: Installation, lines: int) -> str:
        """Give the unit's last lines in the journal."""
        unit = _unit(installation.service)
        return run(["journalctl", "--unit", unit, "--lines", str(lines), "--no-pager"])

    def remove(self, layout: Layout, service: str, details: Mapping[str, Any]) -> None:
        """Stop and disable the unit, and remove it with its drop-ins."""
        del layout, details
        unit = _unit(service)
        drop_in = _drop_in(service)
        if (UNIT_FOLDER / unit).exists():
            run(["systemctl", "disable", "--now", "--quiet", unit])
        (UNIT_FOLDER / unit).unlink(missing_ok=True)
        drop_in.unlink(missing_ok=True)
        if drop_in.parent.is_dir() and not any(drop_in.parent.iterdir()):
            drop_in.parent.rmdir()
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "reset-failed", unit], accept=(0, 1))


def _restart_and_leave(unit: str) -> None:
    """Restart a unit that says itself when it is ready: for that, the health gate waits.

    Only here it is seen to that the former process is gone, since that one looks healthy.
    """
    before = _invocation(unit)
    run(["systemctl", "restart", "--no-block", unit])
    deadline = time.monotonic() + END_SECONDS
    while _invocation(unit) == before:
        if time.monotonic() > deadline:
            raise CommandFailed(f"systemd did not restart {unit} within {END_SECONDS:g} s")
        time.sleep(TICK)


def _invocation(unit: str) -> str:
    """Give the id that systemd gives to each start of a unit."""
    return run(["systemctl", "show", unit, "--property=InvocationID", "--value"]).strip()


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
