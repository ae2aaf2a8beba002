"""Takes a service from the host: its processes, its units, its files, its user."""

from __future__ import annotations

import os

from toolkit.host.accounts import remove_account
from toolkit.host.errors import NotPermitted, UsageError
from toolkit.host.files import remove_tree
from toolkit.host.layout import Layout
from toolkit.host.managers import MANAGERS
from toolkit.host.request import Say
from toolkit.host.state import State, read_state


def uninstall(layout: Layout, say: Say, *, keep_data: bool) -> None:
    """Remove all that `install` made; with `keep_data`, .env, logs/ and workspace/ stay.

    Raises UsageError where the folder holds no service of agentctl's.
    """
    state = read_state(layout)
    if state is None:
        raise UsageError(
            f"{layout.home} holds no service that agentctl installed (it has no state.json)",
            hint="name the service's folder with --home",
        )
    if os.geteuid() != 0 and layout.home.stat().st_uid != os.geteuid():
        raise NotPermitted(
            f"{layout.home} belongs to another user", hint="run the command with sudo"
        )
    say.step(f"stop {state.service}")
    if state.outcome != "installing" or state.details or layout.current.is_symlink():
        MANAGERS[state.manager].remove(layout, state.service, state.details)
    say.step(f"remove {layout.home}")
    _remove_files(layout, keep_data=keep_data)
    _remove_user(state, keep_data=keep_data)


def _remove_files(layout: Layout, *, keep_data: bool) -> None:
    if not keep_data:
        # The state goes last: while it is there, a run that was cut off can be made again.
        for path in layout.home.iterdir():
            if path == layout.state:
                continue
            if path.is_dir() and not path.is_symlink():
                remove_tree(path)
            else:
                path.unlink()
        remove_tree(layout.home)
        return
    for folder in (layout.releases, layout.incoming, layout.run, layout.trust):
        remove_tree(folder)
    for file in (layout.current, layout.agentctl, layout.state):
        file.unlink(missing_ok=True)


def _remove_user(state: State, *, keep_data: bool) -> None:
    """Remove the user that was made for the service, unless files of its own stay."""
    if state.created_user and not keep_data:
        remove_account(state.user)
