"""Starts the version that runs anew."""

from __future__ import annotations

from toolkit.host.accounts import existing_account
from toolkit.host.errors import UsageError
from toolkit.host.health import wait_until_healthy
from toolkit.host.layout import Layout
from toolkit.host.lock import locked
from toolkit.host.manager import Installation
from toolkit.host.managers import MANAGERS
from toolkit.host.request import Say
from toolkit.host.stage import read_release
from toolkit.host.state import read_state


def restart(layout: Layout, say: Say) -> str:
    """Restart the service and wait for its health gate; gives the version.

    It runs as it was configured; nothing is noted, since nothing was changed. Raises UsageError
    where there is nothing to start, Busy while a version is on trial, Unhealthy, and what the
    process manager raises.
    """
    with locked(layout):
        state = read_state(layout)
        version = layout.running_version()
        if state is None or version is None or layout.staged_sha256(version) is None:
            raise UsageError(
                f"no version of the service in {layout.home} is whole",
                hint="install one: agentctl status says what is there",
            )
        release = read_release(layout.release(version))
        manager = MANAGERS[state.manager]
        installation = Installation(release, layout, existing_account(state.user))
        manager.require(installation)
        say.step(f"starting {state.service} {version} anew")
        manager.start(installation)
        wait_until_healthy(manager, installation, lambda _: None)
        return version
