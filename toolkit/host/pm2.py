"""PM2 as process manager, the host's own or the one that came with the release."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.host.accounts import Account, find_account
from toolkit.host.commands import run
from toolkit.host.errors import CommandFailed, NotPermitted, StartFailed, Unsupported
from toolkit.host.files import last_lines, point_link, remove_tree, write_if_changed
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Process
from toolkit.host.release import NODE, PM2, SYSTEM_PATH, UNITS, default_home

ECOSYSTEM = "ecosystem.config.js"


class Pm2:
    """Runs the service under the PM2 of the user who owns it."""

    name = "pm2"

    def require(self, installation: Installation) -> None:
        """Raise where root is needed, or neither host nor release has a PM2."""
        if os.geteuid() != 0:
            raise NotPermitted(
                "PM2's start at boot needs root to be set up", hint="run the command with sudo"
            )
        home = default_home(installation.service)
        if str(installation.layout.home) != home:
            raise Unsupported(
                f"the release's {ECOSYSTEM} runs from {home}, not {installation.layout.home}",
                hint=f"install into {home}, or use PROCESS_MANAGER=direct",
            )
        _program(installation)

    def configured(self, installation: Installation) -> bool:
        """Say whether PM2 knows the service and starts at boot."""
        link = installation.layout.home / ECOSYSTEM
        return (
            link.is_symlink()
            and _boot_unit(installation.account).exists()
            and _find(installation) is not None
        )

    def foresee(self, installation: Installation) -> Mapping[str, Any]:
        """Give whose PM2 it is, and what of it is not there yet."""
        account = installation.account
        return {
            "program": list(_program(installation)),
            "user": account.name,
            "made_home": not _pm2_home(account).exists(),
            "made_boot_unit": not _boot_unit(account).exists(),
        }

    def configure(self, installation: Installation) -> None:
        """Put ecosystem.config.js in its place and have PM2 start at boot."""
        account, home = installation.account, installation.layout.home
        program = _program(installation)
        point_link(home / ECOSYSTEM, installation.layout.current / UNITS / ECOSYSTEM)
        if len(program) > 1:
            wrapper = f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n'
            write_if_changed(home / "pm2", wrapper.encode(), 0o755)
        if not _boot_unit(account).exists():
            self._start_at_boot(program, account, "startup")

    def start(self, installation: Installation) -> None:
        """Delete the app and start it from its file, so that nothing old is kept."""
        if _find(installation) is not None:
            self._pm2(installation, "delete", installation.service)
        try:
            self._pm2(installation, "start", str(installation.layout.home / ECOSYSTEM))
        except CommandFailed as error:
            raise StartFailed(error.message, hint=error.hint) from error
        self._pm2(installation, "save")

    def process(self, installation: Installation) -> Process:
        """Ask PM2 for the app's process."""
        app = _find(installation)
        if app is None:
            return Process(False, None, 0, "unknown to PM2")
        try:
            environment = app["pm2_env"]
            status = str(environment["status"])
            pid, restarts = int(app.get("pid") or 0), int(environment["restart_time"])
        except (KeyError, TypeError, ValueError) as error:
            raise CommandFailed(
                f"`pm2 jlist` says nothing of use of {installation.service}: {error!r}"
            ) from error
        # One that ends by itself is started again, or "errored".
        return Process(status == "online", pid or None, restarts, status, status == "stopped")

    def put_aside(self, installation: Installation) -> str | None:
        """Ask PM2 whether the app was stopped."""
        return "stopped" if self.process(installation).stopped else None

    def logs(self, installation: Installation, lines: int) -> str:
        """Give the last lines of the app's two log files."""
        folder, owner = installation.layout.logs, installation.account
        # PM2 puts the number that it gave the app before the suffix.
        names = ("pm2-out*.log", "pm2-error*.log")
        paths = [path for name in names for path in sorted(folder.glob(name))]
        return "\n".join(line for path in paths for line in last_lines(path, lines, owner))

    def remove(self, layout: Layout, service: str, details: Mapping[str, Any]) -> None:
        """Delete the app; where it was the last one of a PM2 that came with it, that goes too."""
        account = find_account(details["user"]) if "user" in details else None
        program = tuple(details.get("program", ()))
        if account is not None and Path(program[0]).exists():
            if any(app["name"] == service for app in _apps(program, account)):
                _call(program, account, "delete", service)
                _call(program, account, "save", "--force")
            if not _apps(program, account):
                self._leave(program, account, details)
        for name in (ECOSYSTEM, "pm2"):
            (layout.home / name).unlink(missing_ok=True)

    def _leave(
        self, program: tuple[str, ...], account: Account, details: Mapping[str, Any]
    ) -> None:
        if details["made_boot_unit"] and _boot_unit(account).exists():
            self._start_at_boot(program, account, "unstartup")
        if details["made_home"]:
            _call(program, account, "kill")
            remove_tree(_pm2_home(account))

    def _pm2(self, installation: Installation, *arguments: str) -> str:
        return _call(_program(installation), installation.account, *arguments)

    def _start_at_boot(self, program: tuple[str, ...], account: Account, verb: str) -> None:
        """Have PM2 write or remove its own boot unit, as root.

        PM2 makes its folder in HOME, where the account could not use one that root owns: so
        HOME is a folder that goes again.
        """
        with tempfile.TemporaryDirectory() as home:
            environment = {**_environment(program, account), "HOME": home, "USER": "root"}
            user = ["-u", account.name, "--hp", account.home]
            run([*program, verb, "systemd", *user], env=environment)
        run(["systemctl", "daemon-reload"])


def _program(installation: Installation) -> tuple[str, ...]:
    """Give the argv that calls PM2: the release's own, else the host's."""
    if installation.release.runtime.pm2:
        folder = installation.layout.release(installation.release.version)
        return str(folder / NODE), str(folder / PM2)
    found = shutil.which("pm2", path=SYSTEM_PATH)
    if found is None:
        raise Unsupported(
            "PM2 is not on this host, and the release does not bring it",
            hint="install it (npm install -g pm2), or use PROCESS_MANAGER=systemd",
        )
    return (found,)


def _environment(program: tuple[str, ...], account: Account) -> dict[str, str]:
    folder = Path(program[0]).parent
    return {"HOME": account.home, "USER": account.name, "PATH": f"{folder}:{SYSTEM_PATH}"}


def _call(program: tuple[str, ...], account: Account, *arguments: str) -> str:
    environment = _environment(program, account)
    return run([*program, "--silent", *arguments], account=account, env=environment)


def _apps(program: tuple[str, ...], account: Account) -> list[dict[str, Any]]:
    printed = run([*program, "jlist"], account=account, env=_environment(program, account))
    # A PM2 that starts its daemon says so first, on the same stream.
    start = printed.find("[{") if "[{" in printed else printed.rfind("[]")
    if start < 0:
        raise CommandFailed(f"`pm2 jlist` gave no list of apps: {printed[-200:]!r}")
    try:
        apps, _ = json.JSONDecoder().raw_decode(printed[start:])
        return [app for app in apps if app["name"]]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(
            f"`pm2 jlist` gave a list that can't be read ({error!r}): {printed[-200:]!r}"
        ) from error


def _find(installation: Installation) -> dict[str, Any] | None:
    apps = _apps(_program(installation), installation.account)
    return next((app for app in apps if app["name"] == installation.service), None)


def _pm2_home(account: Account) -> Path:
    return Path(account.home) / ".pm2"


def _boot_unit(account: Account) -> Path:
    return Path(f"/etc/systemd/system/pm2-{account.name}.service")
