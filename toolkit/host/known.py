"""What is known of a version on this host, also where what it says of itself is damaged.

Going back must not need more of the running version than what was noted outside of it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from toolkit.host.errors import BadRelease
from toolkit.host.layout import Layout
from toolkit.host.release import PATH, Release, Runtime, Service, parse_release
from toolkit.host.state import State


def read_release(folder: Path) -> Release:
    """Read what an unpacked release says of itself; raises BadRelease where that is damaged."""
    try:
        return parse_release((folder / PATH).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadRelease(
            f"{folder / PATH} can't be read: {error}",
            hint="go to another version by rollback; then install this one again",
        ) from error


def known_release(
    layout: Layout, state: State, version: str, like: Release | None = None
) -> Release:
    """Give what `version` says of itself; where that can't be read, what is known of the service.

    `like` is another version of the same agent: what one needs to be gone back to, its name, its
    user, its gate and which of its settings are secret, seldom changes.
    """
    with suppress(BadRelease):
        return read_release(layout.release(version))
    if like is not None:
        return replace(like, version=version)
    return _noted(state, version)


def _noted(state: State, version: str) -> Release:
    brought = len(state.details.get("program", ())) > 1  # node, and the PM2 that came with it
    service = Service(
        name=state.service,
        exec=(),
        user=state.user if state.created_user else None,
        working_directory="{home}",
        environment={},
        required=(),
        secret=(),
        restart_delay=1,
        memory_limit=None,
        managers=(state.manager,),
    )
    runtime = Runtime("none", "", bundled=False, pm2="unknown" if brought else None)
    return Release(state.name, state.name, version, None, runtime, service, None)
