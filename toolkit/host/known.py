"""What is known of a version on this host, also where what it says of itself is damaged.

Going back must not need more of the running version than what was noted outside of it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from toolkit.host.errors import BadRelease
from toolkit.host.layout import Layout
from toolkit.host.release import PATH, Release, Runtime, Service, parse_release
from toolkit.host.state import State


def known_release(
    layout: Layout, state: State, version: str, like: Release | None = None
) -> Release:
    """Give what `version` says of itself; where that can't be read, what is known of the service.

    `like` is another version of the same agent: what one needs to be gone back to, its name, its
    user, its gate and which of its settings are secret, seldom changes.
    """
    with suppress(BadRelease, OSError, UnicodeDecodeError):
        return parse_release((layout.release(version) / PATH).read_text("utf-8"))
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
