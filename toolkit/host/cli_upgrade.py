"""The verbs that change the version: upgrade, rollback, and the account of what happened."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from toolkit.host.console import now, speaking
from toolkit.host.errors import Busy, NotPermitted, UsageError
from toolkit.host.history import read_history
from toolkit.host.layout import Layout
from toolkit.host.lock import locked
from toolkit.host.outcome import compared, rolled_back, standing
from toolkit.host.request import Trying
from toolkit.host.state import State, read_state
from toolkit.host.trial import read_trial


def as_install(arguments: argparse.Namespace) -> argparse.Namespace:
    """Give the arguments of `install` that an upgrade of what is installed means.

    Raises UsageError where the service was installed without signed metadata.
    """
    layout = Layout(arguments.home)
    state = installed(layout)
    root = layout.trust / "root.json"
    try:
        trusted = root.exists()
    except PermissionError as error:
        raise NotPermitted(f"{root} can't be read", hint="run the command with sudo") from error
    if not trusted or not state.store:
        raise UsageError(
            f"{state.service} was installed from pinned hashes: only a script knows other versions",
            hint="run the install script of the version that you want",
        )
    channel = None if arguments.to else arguments.channel or state.channel
    if arguments.to is None and channel is None:
        raise UsageError(
            f"{state.service} was installed by its version, so there is no channel to ask",
            hint="say --to VERSION or --channel CHANNEL",
        )
    named = {
        "name": state.name,
        "service": state.service,
        "version": arguments.to,
        "channel": channel,
        "followed": arguments.channel or state.channel,
        "store": state.store,
        "store_header_file": arguments.store_header_file or _path(state.header_file),
        "store_header_over_http": arguments.store_header_over_http or state.header_over_http,
        "root": root,
        "process_manager": state.manager,
        "user": state.user,
        "bundle": getattr(arguments, "bundle", None),
        "addresses_stdin": False,
        "store_header_stdin": False,
        "settings_stdin": False,
    }
    return argparse.Namespace(**{**vars(arguments), **named})


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def installed(layout: Layout) -> State:
    """Give the state of the service; raises UsageError where there is none."""
    state = read_state(layout)
    if state is None:
        raise UsageError(
            f"no service is installed in {layout.home}",
            hint="install one, or name the folder with --home",
        )
    return state


def run_rollback(arguments: argparse.Namespace) -> int:
    """Go back to a version that is on this host."""
    from toolkit.host.rollback import foresee, rollback

    layout = Layout(arguments.home)
    state = installed(layout)
    arguments.before = before = standing(layout)
    if arguments.check:
        version, changed = foresee(layout, arguments.to)
        after = rolled_back(before, version)
    else:
        with locked(layout):
            trying = Trying(arguments.watch, arguments.keep)
            say = speaking(quiet=arguments.json)
            version, changed = rollback(layout, arguments.to, trying, say, now)
        after = standing(layout)
    if arguments.json:
        told = {"name": state.name, "version": version, "changed": list(changed)}
        print(json.dumps({**told, **compared(before, after)}))
    elif arguments.check and changed:
        print(f"{layout.home}: {version} would be tried in place of what runs")
    elif changed:
        print(f"[INFO] {state.service} {version} runs again and is healthy")
    else:
        print(f"[INFO] {state.service} {version} runs already: no change")
    return 0


def run_uninstall(arguments: argparse.Namespace) -> int:
    """Take the service from this host; where it was taken already, that is no change."""
    from toolkit.host.uninstall import uninstall

    layout = Layout(arguments.home)
    if not layout.home.is_dir():
        raise UsageError(f"there is no {layout.home}", hint="name the service's folder by --home")
    arguments.before = before = standing(layout)
    state = read_state(layout)
    # Only data is left, and it is to be kept.
    gone = arguments.keep_data and state is not None and state.outcome == "uninstalled"
    if not arguments.check and not gone:
        with locked(layout):
            say = speaking(quiet=arguments.json)
            uninstall(layout, say, now, keep_data=arguments.keep_data)
    if arguments.json:
        told = {"name": state.name if state else None, "changed": [] if gone else ["uninstall"]}
        print(json.dumps({**told, **compared(before, None)}))
    elif gone:
        print(f"[INFO] {layout.home.name} was uninstalled before: no change")
    elif arguments.check:
        print(f"{layout.home}: the service and all that it wrote would be removed")
    else:
        print(f"[INFO] {layout.home.name} was uninstalled")
    return 0


def run_history(arguments: argparse.Namespace) -> int:
    """Say what happened to the service on this host."""
    layout = Layout(arguments.home)
    installed(layout)
    events = read_history(layout)
    if arguments.json:
        print(json.dumps([asdict(event) for event in events], indent=2))
        return 0
    for event in events:
        versions = f"{event.before} -> {event.version}" if event.before else event.version
        print(f"{event.at}  {event.what:<11}  {versions}: {event.reason}")
    if not events:
        print("nothing is known to have happened")
    return 0


def run_settle(arguments: argparse.Namespace) -> int:
    """Note how a trial ended that systemd ended; for systemd to call.

    With --ended, end it: the service's own manager could not, and nobody watches any more.
    """
    from toolkit.host.ending import Settling, settle

    layout = Layout(arguments.home)
    # Whoever holds the lock sees to it; the service is started when this has ended.
    with suppress(Busy), locked(layout, patience=0):
        trial = read_trial(layout)
        resume = trial.sha256 if trial else None
        how = Settling(resume=resume, only_note=True)
        if arguments.ended:
            how = Settling(why=arguments.ended)
        settle(layout, speaking(quiet=False), now, how)
    return 0


RUNS = {
    "rollback": run_rollback,
    "history": run_history,
    "settle": run_settle,
    "uninstall": run_uninstall,
}
