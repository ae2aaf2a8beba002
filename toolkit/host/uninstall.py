"""Takes a service from the host: its processes, its units, its files, its user."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from toolkit.host.accounts import existing_account
from toolkit.host.errors import NotPermitted, UsageError
from toolkit.host.files import remove_tree, sync_folder, unfinished
from toolkit.host.follow import standing, take_away
from toolkit.host.guard import guard_for
from toolkit.host.layout import Layout
from toolkit.host.managers import manager_called
from toolkit.host.request import Say
from toolkit.host.state import State, read_state, write_state
from toolkit.host.steps import perform
from toolkit.host.trial import read_trial
from toolkit.host.useradd import remove_account


def uninstall(layout: Layout, say: Say, now: Callable[[], str], *, keep_data: bool) -> None:
    """Remove all that `install` made, and nothing else; can be made again where it was cut off.

    With `keep_data`, .env, logs/ and workspace/ stay, with the user who owns them.
    Raises UsageError where the folder holds no service of agentctl's.
    """
    state = read_state(layout)
    if state is None:
        if list(layout.home.iterdir()) == [layout.lock]:
            # An uninstallation that was cut off at its very end.
            _remove(layout.lock)
            _remove_home(layout)
            return
        raise UsageError(
            f"{layout.home} holds no service that agentctl installed (it has no state.json)",
            hint="name the service's folder with --home",
        )
    if os.geteuid() != 0 and layout.home.stat().st_uid != os.geteuid():
        raise NotPermitted(
            f"{layout.home} belongs to another user", hint="run the command with sudo"
        )
    trial = read_trial(layout)
    if trial is not None:
        guard = guard_for(manager_called(trial.manager), existing_account(state.user))
        perform("disarm", lambda: guard.disarm(layout, state.service))
    if standing(state.service):
        say.step("follow no channel any more")
        perform("unfollow", lambda: take_away(state.service))
    say.step(f"stop {state.service}")
    if state.details or layout.running_version() is not None:
        manager = manager_called(state.manager)
        perform("leave", lambda: manager.remove(layout, state.service, state.details))
    if keep_data:
        say.step(f"remove {state.service}, and keep its data in {layout.home}")
        perform("remove-all-but-data", lambda: _remove_all_but_data(layout, state, now()))
    else:
        say.step(f"remove {layout.home}")
        _remove_all(layout, state)


def _remove_all(layout: Layout, state: State) -> None:
    last = (layout.agentctl, layout.state)
    for path in layout.own:
        if path not in last:
            perform(f"remove-{path.name}", partial(_remove, path))
    if state.created_user:
        perform("remove-user", lambda: remove_account(state.user))
    for path in (*last, *unfinished(layout.home)):
        perform(f"remove-{path.name}", partial(_remove, path))
    _remove_home(layout)


def _remove_home(layout: Layout) -> None:
    """Remove the folder itself, if it is empty, so that a power cut doesn't bring it back."""
    # Not ours to remove where somebody put a file of their own.
    if any(layout.home.iterdir()):
        sync_folder(layout.home)
        return
    layout.home.rmdir()
    sync_folder(layout.home.parent)


def _remove_all_but_data(layout: Layout, state: State, at: str) -> None:
    """Keep the state and agentctl too: they know whose the data is, and can remove it later."""
    kept = (
        layout.env,
        layout.credentials,
        layout.logs,
        layout.workspace,
        layout.agentctl,
        layout.state,
        layout.lock,
    )
    for path in layout.own:
        if path not in kept:
            _remove(path)
    reason = "it was uninstalled, and its data kept"
    gone = replace(state, outcome="uninstalled", reason=reason, at=at, details={})
    write_state(layout, replace(gone, follow=None, pinned=None, paused=None))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
