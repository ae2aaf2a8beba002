"""Says what runs on the host."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from toolkit.host.accounts import existing_account
from toolkit.host.errors import BadRelease, UsageError
from toolkit.host.health import SETTLED, look
from toolkit.host.history import WISHES, read_history
from toolkit.host.known import known_release, read_release
from toolkit.host.layout import Layout
from toolkit.host.lock import is_held
from toolkit.host.manager import Installation
from toolkit.host.managers import manager_called
from toolkit.host.state import State, read_state
from toolkit.host.trial import read_trial


def status(layout: Layout) -> dict[str, Any]:
    """Give the service's state, process and health, as JSON-ready values.

    `healthy` is True where its process runs and its gate holds now; `fault` says why not; `busy`
    says that an agentctl works on it.
    Raises UsageError where nothing is installed in the folder.
    """
    state = read_state(layout)
    if state is None:
        raise UsageError(
            f"no service is installed in {layout.home}",
            hint="install one, or name the folder with --home",
        )
    running = layout.running_version()
    if running is None or layout.staged_sha256(running) is None:
        found = {"running": False, "healthy": False, "fault": state.reason, "since": None}
    else:
        found = _live(layout, state, running)
    attempts = {"last_attempt": _last_attempt(layout, state), "trial": _trial(layout)}
    return {**asdict(state), **found, **attempts, "busy": is_held(layout)}


def _last_attempt(layout: Layout, state: State) -> dict[str, Any]:
    """Give what was tried last, of which version, when, and why it ended so."""
    events = [event for event in read_history(layout) if event.what not in WISHES]
    if events:
        last = asdict(events[-1])
        return {key: last[key] for key in ("what", "version", "at", "reason")}
    return {
        "what": state.outcome,
        "version": state.version,
        "at": state.at,
        "reason": state.reason,
    }


def _trial(layout: Layout) -> dict[str, Any] | None:
    trial = read_trial(layout)
    return asdict(trial) if trial else None


def _since(pid: int | None) -> str | None:
    """Give when a process began, in ISO 8601 UTC (proc(5): stat, field 22, after boot)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        (boot,) = [
            int(line.split()[1])
            for line in Path("/proc/stat").read_text("ascii").splitlines()
            if line.startswith("btime ")
        ]
    except (OSError, ValueError):
        return None
    began = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return datetime.fromtimestamp(began, timezone.utc).isoformat(timespec="seconds")


def _live(layout: Layout, state: State, running: str) -> dict[str, Any]:
    try:
        release, damaged = read_release(layout.release(running)), None
    except BadRelease as error:
        release = known_release(layout, state, running)
        damaged = f"{error.message}; its health gate is not known. `rollback` works all the same"
    installation = Installation(release, layout, existing_account(state.user))
    process = manager_called(state.manager).process(installation)
    fault = damaged or look(release.health or SETTLED, process, installation)
    return {
        "since": _since(process.pid),
        "version": running,
        "running": process.running,
        "pid": process.pid,
        "restarts": process.restarts,
        "manager_says": process.detail,
        "healthy": fault is None,
        "fault": fault,
    }
