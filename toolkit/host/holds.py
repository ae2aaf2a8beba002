"""What keeps a host at the version that it has: pins, pauses, maintenance windows, a busy store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from toolkit.host.clock import parse_time, shown
from toolkit.host.errors import Pinned, UsageError
from toolkit.host.follow import FOLLOWED, Follow, parse_follow
from toolkit.host.history import Event, note
from toolkit.host.layout import Layout
from toolkit.host.schedule import is_open, parse_span
from toolkit.host.state import State, read_state, write_state
from toolkit.host.steps import perform


def held(state: State, now: datetime) -> str | None:
    """Say why nothing is to be looked for now, or None; `now` is in local time."""
    if state.pinned is not None:
        return f"{state.service} is pinned to {state.pinned}"
    if is_paused(state, now):
        until = (state.paused or {}).get("until")
        return f"{state.service} is paused" + (
            f" until {shown(parse_time(until))}" if until else ""
        )
    follow = parse_follow(state.follow)
    return _held_by(follow, state, now) if follow else None


def _held_by(follow: Follow, state: State, now: datetime) -> str | None:
    if state.manager != FOLLOWED:
        # In the timer's sandbox and control group, no other manager could start what it runs.
        return (
            f"{state.service} runs under {state.manager} now, where a timer can't: say `unfollow`"
        )
    if not is_open(follow.windows, now):
        windows = ", ".join(follow.windows)
        return f"it is {now:%a %H:%M}, outside the maintenance windows: {windows}"
    if follow.not_before and now < parse_time(follow.not_before):
        return f"the store asked to be left alone until {shown(parse_time(follow.not_before))}"
    return None


def is_paused(state: State, now: datetime) -> bool:
    """Say whether a pause lasts."""
    until = (state.paused or {}).get("until")
    return state.paused is not None and (until is None or now < parse_time(until))


def refuse_pinned(layout: Layout, version: str) -> None:
    """Raise Pinned where the service is to stay at another version than `version`."""
    state = read_state(layout)
    if state is None or state.pinned in (None, version):
        return
    raise Pinned(
        f"{state.service} is pinned to {state.pinned}, and {version} is another version",
        hint=f"sudo {layout.agentctl} unpin, then run it again",
    )


def pin(layout: Layout, state: State, version: str | None, at: str) -> str:
    """Let no other version than `version` run, or than the one that runs; gives it."""
    wanted = version or layout.running_version()
    if wanted is None:
        raise UsageError("no version runs here", hint="name the version: pin VERSION")
    why = f"only {wanted} may run here"
    record(layout, replace(state, pinned=wanted), Event(at, "pinned", wanted, why))
    return wanted


def unpin(layout: Layout, state: State, at: str) -> None:
    """Let any version run again."""
    event = Event(at, "unpinned", state.pinned or state.version, "any version may run again")
    record(layout, replace(state, pinned=None), event)


def pause(layout: Layout, state: State, until: datetime | None, at: str) -> str | None:
    """Change nothing without a person, until a moment or for good; gives that moment."""
    text = until.isoformat(timespec="seconds") if until else None
    reason = "no other version by itself" + (f" until {shown(until)}" if until else "")
    kept = replace(state, paused={"at": at, "until": text})
    record(layout, kept, Event(at, "paused", _running(layout, state), reason))
    return text


def resume(layout: Layout, state: State, at: str) -> None:
    """End a pause."""
    reason = "other versions may come by themselves again"
    event = Event(at, "resumed", _running(layout, state), reason)
    record(layout, replace(state, paused=None), event)


def pause_end(until: str | None, length: str | None, now: datetime) -> datetime | None:
    """Read when a pause ends, None for never; raises UsageError for a time that has passed."""
    if length is not None:
        return now + timedelta(seconds=parse_span(length))
    if until is None:
        return None
    try:
        end = datetime.fromisoformat(until.strip().replace("Z", "+00:00")).astimezone()
    except ValueError as error:
        raise UsageError(f"{until!r} is no time", hint="say it so: 2026-01-31T06:00") from error
    if end <= now:
        raise UsageError(f"{until} is over", hint="name a time that is to come")
    return end


def record(layout: Layout, state: State, event: Event) -> None:
    """Note in state and history what a person wants of versions to come."""
    perform("wish", lambda: write_state(layout, state))
    perform("history", lambda: note(layout, event))


def _running(layout: Layout, state: State) -> str:
    return layout.running_version() or state.version
