"""Has systemd look for a channel's new version again and again: a timer and what it starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from toolkit.host.commands import run
from toolkit.host.errors import NotPermitted, Unsupported, UsageError
from toolkit.host.files import write_if_changed
from toolkit.host.layout import Layout
from toolkit.host.schedule import MINUTE, calendar, parse_window, spoken
from toolkit.host.state import State
from toolkit.host.steps import perform

UNIT_FOLDER = Path("/etc/systemd/system")
STAMPS = Path("/var/lib/systemd/timers")
# The one manager that starts services outside of what changes them.
FOLLOWED = "systemd"
_MARK = "# Written by agentctl follow."
# Since this systemd, a random delay can be the same each time.
_FIXED_SINCE = 247

# What a release's own commands need (hooks and health gates of kind command run in here) stays
# open: the service's files and its user's, /tmp and devices. Of the rest, only what an
# installation changes does: /etc, for units and users, and the service's folder.
_SERVICE = """\
{mark}
[Unit]
Description=Bring {service} to the version that its channel {channel} has
Wants=network-online.target
After=network-online.target
ConditionPathExists={agentctl}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={agentctl} upgrade --unattended
# For proxies and a private CA: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE.
EnvironmentFile=-/etc/default/{service}-follow
SyslogIdentifier={service}-follow
TimeoutStartSec=6h
Nice=10
CPUWeight=20
IOWeight=20
IOSchedulingClass=best-effort
IOSchedulingPriority=7
UMask=0022
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_SETUID CAP_SETGID
CapabilityBoundingSet=CAP_KILL CAP_AUDIT_WRITE
LockPersonality=yes
NoNewPrivileges=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""

_TIMER = """\
{mark}
[Unit]
Description=Look for a new version of {service} every {spoken}

[Timer]
OnCalendar={calendar}
RandomizedDelaySec={delay}
{fixed}AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class Follow:
    """How a host follows a channel; it is kept so in state.json.

    `every` and `delay` are seconds, `windows` as `parse_window` reads them, `max_rate` is bytes
    a second. `not_before` is until when the store asked to be left alone, in ISO 8601.
    """

    channel: str
    every: int
    delay: int
    windows: tuple[str, ...] = ()
    max_rate: int | None = None
    not_before: str | None = None

    def spoken(self) -> str:
        """Say it in a line."""
        words = [f"{self.channel}, every {spoken(self.every)}"]
        words += [f"at a moment of its own within {spoken(self.delay)}"] if self.delay else []
        words += [f"only {' or '.join(self.windows)}"] if self.windows else []
        words += [f"at most {self.max_rate / 1e6:g} MB/s"] if self.max_rate else []
        return ", ".join(words)


def parse_follow(data: Mapping[str, Any] | None) -> Follow | None:
    """Read what `asdict` gave; what a newer agentctl added is left out."""
    if data is None:
        return None
    known = {key: value for key, value in data.items() if key in Follow.__dataclass_fields__}
    return Follow(**{**known, "windows": tuple(known.get("windows", ()))})


def noted(follow: Follow) -> dict[str, Any]:
    """Give what stands in state.json."""
    return asdict(follow)


def check(follow: Follow) -> None:
    """Refuse what could never come to anything; raises UsageError."""
    if follow.delay > follow.every:
        raise UsageError(
            f"a delay of up to {spoken(follow.delay)} is longer than {spoken(follow.every)}, "
            "after which it begins again",
            hint=f"take --delay {spoken(follow.every).replace(' ', '')} or less",
        )
    for text in follow.windows:
        window = parse_window(text)
        needed = follow.every + follow.delay
        if window.minutes * MINUTE < needed:
            raise UsageError(
                f"the window {text!r} may pass between two looks, which are up to "
                f"{spoken(needed)} apart",
                hint="look more often by --every, or take a longer window",
            )


def require(layout: Layout, state: State) -> None:
    """Refuse a service, or a caller, for whom systemd can't do it."""
    if state.manager != FOLLOWED:
        raise Unsupported(
            f"{state.service} runs under {state.manager}, and only services of the system's "
            "systemd can follow a channel",
            hint=f"call `{layout.agentctl} upgrade --unattended --channel CHANNEL` by a timer of "
            "your own, or install it with PROCESS_MANAGER=systemd",
        )
    if os.geteuid() != 0:
        raise NotPermitted("a system timer needs root", hint="run the command with sudo")
    for path in _foreign(state.service):
        raise UsageError(f"{path} is there, and agentctl did not write it", hint="move it away")


def texts(layout: Layout, service: str, follow: Follow) -> dict[Path, str]:
    """Give the units, by their path."""
    timer, unit = _files(service)
    values = {"mark": _MARK, "service": service, "agentctl": layout.agentctl}
    fixed = "FixedRandomDelay=true\n" if follow.delay and _version() >= _FIXED_SINCE else ""
    when = {"calendar": calendar(follow.every), "delay": follow.delay, "fixed": fixed}
    return {
        unit: _SERVICE.format(**values, channel=follow.channel),
        timer: _TIMER.format(**values, **when, spoken=spoken(follow.every)),
    }


def set_up(layout: Layout, service: str, follow: Follow) -> None:
    """Write the units, and start the timer."""
    for path, text in texts(layout, service, follow).items():
        perform(f"follow-{path.suffix[1:]}", partial(write_if_changed, path, text.encode(), 0o644))
    timer = _files(service)[0].name
    perform("follow-reload", lambda: run(["systemctl", "daemon-reload"]))
    perform("follow-enable", lambda: run(["systemctl", "enable", "--quiet", timer]))
    perform("follow-start", lambda: run(["systemctl", "restart", timer]))


def standing(service: str) -> bool:
    """Say whether anything of the timer stands, as far as it is ours."""
    return not _foreign(service) and any(
        os.path.lexists(path) for path in (*_files(service), _wanted(service))
    )


def take_away(service: str) -> None:
    """Stop the timer, and remove what `set_up` wrote, however far that came."""
    timer, unit = _files(service)
    # A timer that was never loaded can't be stopped, and need not be.
    run(["systemctl", "stop", timer.name, unit.name], accept=(0, 5))
    for path in (_wanted(service), timer, unit, STAMPS / f"stamp-{timer.name}"):
        path.unlink(missing_ok=True)
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "reset-failed", timer.name, unit.name], accept=(0, 1))


def _files(service: str) -> tuple[Path, Path]:
    return UNIT_FOLDER / f"{service}-follow.timer", UNIT_FOLDER / f"{service}-follow.service"


def _foreign(service: str) -> list[Path]:
    found = (path for path in _files(service) if path.exists())
    return [path for path in found if _MARK not in path.read_text("utf-8", "replace")]


def _wanted(service: str) -> Path:
    return UNIT_FOLDER / "timers.target.wants" / f"{service}-follow.timer"


def _version() -> int:
    found = re.match(r"systemd (\d+)", run(["systemctl", "--version"]))
    return int(found[1]) if found else 0
