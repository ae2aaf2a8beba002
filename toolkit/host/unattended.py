"""Decides for a timer, with nobody there, whether what a channel has is to be tried."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from toolkit.host.accounts import existing_account
from toolkit.host.choice import order
from toolkit.host.clock import parse_time, shown
from toolkit.host.errors import DownloadFailed, PutAside
from toolkit.host.follow import noted, parse_follow
from toolkit.host.known import known_release
from toolkit.host.layout import Layout
from toolkit.host.locate import Located
from toolkit.host.manager import Installation
from toolkit.host.managers import manager_called
from toolkit.host.postpone import LONGEST
from toolkit.host.state import State, read_state, write_state
from toolkit.host.trial import read_trial


def needless(layout: Layout, state: State, located: Located, now: datetime) -> str | None:
    """Say why what the channel has is not to be tried here, or None where it is.

    Raises PutAside where somebody stopped or disabled the service.
    """
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
    wait = _postponed(state, located.source.sha256, now)
    if wait is not None:
        return f"{version} {wait}; {running} runs on"
    if order(version) < order(running) and not located.taken_out:
        return f"the channel has {version}, and the newer {running}, which runs, was not taken back"
    _require_in_work(layout, state, running, version)
    return None


def _postponed(state: State, sha256: str, now: datetime) -> str | None:
    """Say until when a version waits whose trials were ended by something else than itself."""
    known = state.postponed or {}
    if known.get("sha256") != sha256:
        return None
    until = parse_time(known["until"])
    if not timedelta(0) < until - now <= LONGEST:  # a clock that was wrong holds nothing back
        return None
    times = "once" if known["times"] == 1 else f"{known['times']} times"
    return (
        f"was tried {times} and taken back by no fault of its own, at last since "
        f"{known['reason']}: it is tried again after {shown(until)}"
    )


def _require_in_work(layout: Layout, state: State, running: str, version: str) -> None:
    """Raise PutAside before anything is fetched for a service that somebody stopped."""
    release = known_release(layout, state, running)
    manager = manager_called(state.manager)
    installation = Installation(release, layout, existing_account(state.user))
    word = manager.put_aside(installation)
    if word is not None:
        raise PutAside(state.service, word, version)


def remember(layout: Layout, fault: DownloadFailed, now: datetime) -> None:
    """Note until when the store asked to be left alone; nothing is held against a version."""
    state = read_state(layout)
    follow = parse_follow(state.follow) if state else None
    if state is None or follow is None or not fault.retry_after:
        return
    until = (now + timedelta(seconds=fault.retry_after)).isoformat(timespec="seconds")
    with suppress(OSError):  # the fault itself matters more
        write_state(layout, replace(state, follow=noted(replace(follow, not_before=until))))
