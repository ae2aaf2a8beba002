"""Says what runs on the host."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from toolkit.host.accounts import existing_account
from toolkit.host.errors import UsageError
from toolkit.host.health import SETTLED, look
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation
from toolkit.host.managers import MANAGERS
from toolkit.host.stage import read_release
from toolkit.host.state import State, read_state


def status(layout: Layout) -> dict[str, Any]:
    """Give the service's state, process and health, as JSON-ready values.

    `healthy` is True where its process runs and its gate holds now; `fault` says why not.
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
        return {**asdict(state), "running": False, "healthy": False, "fault": state.reason}
    return {**asdict(state), **_live(layout, state, running)}


def _live(layout: Layout, state: State, running: str) -> dict[str, Any]:
    release = read_release(layout.release(running))
    installation = Installation(release, layout, existing_account(state.user))
    process = MANAGERS[state.manager].process(installation)
    fault = look(release.health or SETTLED, process, installation)
    return {
        "version": running,
        "running": process.running,
        "pid": process.pid,
        "restarts": process.restarts,
        "manager_says": process.detail,
        "healthy": fault is None,
        "fault": fault,
    }
