"""The verbs of hosts that look after their version themselves: follow, pin, pause, and back."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from toolkit.host.cli_upgrade import as_install, installed
from toolkit.host.clock import parse_time, shown
from toolkit.host.console import clock, now, speaking
from toolkit.host.errors import Busy, DownloadFailed, NotYet, PutAside, UsageError
from toolkit.host.follow import (
    Follow,
    check,
    noted,
    parse_follow,
    require,
    set_up,
    standing,
    take_away,
    texts,
)
from toolkit.host.history import Event, note
from toolkit.host.holds import held, pause, pause_end, pin, record, resume, unpin
from toolkit.host.layout import Layout
from toolkit.host.locate import Located
from toolkit.host.lock import locked
from toolkit.host.schedule import parse_every, parse_span
from toolkit.host.steps import perform
from toolkit.host.storeheader import read_header
from toolkit.host.tidy import tidy
from toolkit.host.trial import read_trial
from toolkit.host.unattended import needless, remember

Unless = Callable[[Located], "str | None"]


def nothing_done(arguments: argparse.Namespace, why: str) -> int:
    """Say why nothing was done, which is no fault."""
    if arguments.json:
        print(json.dumps({"changed": [], "why": why}))
    else:
        print(f"[INFO] nothing to do: {why}")
    return 0


def run_unattended(
    arguments: argparse.Namespace, run: Callable[[argparse.Namespace, Unless], int]
) -> int:
    """Do what a timer may do with nobody there; `run` installs unless a reason speaks against."""
    layout = Layout(arguments.home)
    state = installed(layout)
    if arguments.to or arguments.again:
        raise UsageError(
            "--unattended goes by the channel alone", hint="leave out --to and --again"
        )
    why = held(state, clock().astimezone())
    if why is not None:
        return nothing_done(arguments, why)
    follow = parse_follow(state.follow)
    if follow is not None:
        arguments.channel = arguments.channel or follow.channel
        arguments.max_rate = arguments.max_rate or follow.max_rate
    try:
        return run(as_install(arguments), partial(_unless, arguments))
    except (Busy, NotYet) as error:
        return nothing_done(arguments, error.message)
    except PutAside as error:
        if not arguments.check:
            with suppress(Busy, OSError), locked(layout):
                note(layout, Event(now(), "not tried", error.version, error.message))
        return nothing_done(arguments, error.message)
    except DownloadFailed as error:
        with suppress(Busy), locked(layout):
            remember(layout, error, clock())
        raise


def _unless(arguments: argparse.Namespace, located: Located) -> str | None:
    """Say why nothing is to be tried; an upgrade that was cut off at its end is finished first."""
    layout = Layout(arguments.home)
    if not arguments.check and read_trial(layout) is None:
        tidy(layout, speaking(quiet=arguments.json), now)
    return needless(layout, installed(layout), located, clock())


def run_follow(
    arguments: argparse.Namespace, look_up: Callable[[argparse.Namespace], Located]
) -> int:
    """Set the timer up, once the channel was seen in the store's metadata."""
    layout = Layout(arguments.home.absolute())
    state = installed(layout)
    every = parse_every(arguments.every)
    delay = every if arguments.delay is None else parse_span(arguments.delay)
    follow = Follow(arguments.channel, every, delay, tuple(arguments.window), arguments.max_rate)
    check(follow)
    require(layout, state)
    with locked(layout):
        _see(arguments, look_up)
        if arguments.check:
            for path, text in texts(layout, state.service, follow).items():
                print(f"--- {path}\n{text}")
            return 0
        state = replace(installed(layout), channel=follow.channel, follow=noted(follow))
        running = layout.running_version() or state.version
        record(layout, state, Event(now(), "followed", running, f"it follows {follow.spoken()}"))
        set_up(layout, state.service, follow)
    print(f"[INFO] {state.service} follows {follow.spoken()}")
    why = held(replace(state, follow=None), clock().astimezone())
    if why is not None:
        print(f"[INFO] nothing will change for now: {why}")
    return 0


def _see(arguments: argparse.Namespace, look_up: Callable[[argparse.Namespace], Located]) -> None:
    asked = {"to": None, "store_header_file": None, "store_header_over_http": False}
    file = installed(Layout(arguments.home)).header_file
    if file is not None:
        read_header(Path(file), environ={})  # as the timer reads it, which nobody called by sudo
    with suppress(NotYet):  # it will be there for this host some day
        look_up(as_install(argparse.Namespace(**{**vars(arguments), **asked})))


def _unfollow(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.home)
    with locked(layout):
        state = installed(layout)
        if state.follow is None and not standing(state.service):
            print(f"[INFO] {state.service} follows no channel: no change")
            return 0
        perform("unfollow", lambda: take_away(state.service))
        running = layout.running_version() or state.version
        event = Event(now(), "unfollowed", running, "it follows no channel any more")
        record(layout, replace(state, follow=None), event)
    print(f"[INFO] {state.service} follows no channel any more")
    return 0


def _pin(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.home)
    with locked(layout):
        state = installed(layout)
        version = pin(layout, state, arguments.version, now())
    print(f"[INFO] {state.service} is pinned to {version}")
    return 0


def _unpin(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.home)
    with locked(layout):
        state = installed(layout)
        if state.pinned is not None:
            unpin(layout, state, now())
    print(f"[INFO] {state.service} is not pinned" + (" any more" if state.pinned else ""))
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.home)
    end = pause_end(arguments.until, arguments.length, clock().astimezone())
    with locked(layout):
        state = installed(layout)
        text = pause(layout, state, end, now())
    until = f"until {shown(parse_time(text))}" if text else "until somebody says `resume`"
    print(f"[INFO] {state.service} is paused {until}")
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.home)
    with locked(layout):
        state = installed(layout)
        if state.paused is not None:
            resume(layout, state, now())
    print(f"[INFO] {state.service} is not paused" + (" any more" if state.paused else ""))
    return 0


RUNS = {
    "unfollow": _unfollow,
    "pin": _pin,
    "unpin": _unpin,
    "pause": _pause,
    "resume": _resume,
}
