"""Decides for a timer, with nobody there, whether what a channel has is to be tried."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from toolkit.host.choice import order
from toolkit.host.errors import DownloadFailed
from toolkit.host.follow import noted, parse_follow
from toolkit.host.layout import Layout
from toolkit.host.locate import Located
from toolkit.host.state import State, read_state, write_state
from toolkit.host.trial import read_trial


def needless(layout: Layout, state: State, located: Located) -> str | None:
    """Say why what the channel has is not to be tried here, or None where it is."""
    version, running = located.version, layout.running_version()
    if read_trial(layout) is not None or running is None or state.outcome == "installing":
        return None  # an earlier run was cut off, and this one sees it to its end
    if version == running:
        return f"{state.service} {running} runs, and the channel has no other version"
    fault = state.failed.get(located.source.sha256)
    if fault is not None:
        return (
            f"{version} failed on this host before, at {fault['at']}: {fault['reason']}; "
            f"{running} runs on"
        )
    if order(version) < order(running) and not located.taken_out:
        return f"the channel has {version}, and the newer {running}, which runs, was not taken back"
    return None


def remember(layout: Layout, fault: DownloadFailed, now: datetime) -> None:
    """Note until when the store asked to be left alone; nothing is held against a version."""
    state = read_state(layout)
    follow = parse_follow(state.follow) if state else None
    if state is None or follow is None or not fault.retry_after:
        return
    until = (now + timedelta(seconds=fault.retry_after)).isoformat(timespec="seconds")
    with suppress(OSError):  # the fault itself matters more
        write_state(layout, replace(state, follow=noted(replace(follow, not_before=until))))
