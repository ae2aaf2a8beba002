"""Does what is left to do when a version stays: the release's command, and old versions go.

What is left stands in state.json from the moment at which the version was kept, so that the next
call does it where agentctl was ended before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from toolkit.host.accounts import existing_account
from toolkit.host.errors import AgentctlError
from toolkit.host.history import Event, note
from toolkit.host.hooks import run_hook
from toolkit.host.known import known_release
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation
from toolkit.host.prune import prune
from toolkit.host.redact import Redactor
from toolkit.host.request import Say
from toolkit.host.settings import secret_values
from toolkit.host.state import State, read_state, write_state
from toolkit.host.steps import perform

KEEP = 3


def left_to_do(version: str, keep: int) -> dict[str, Any]:
    """Give what is to be noted when `version` is kept, and `keep` versions on the host."""
    return {"version": version, "keep": keep, "command": True}


def tidy(layout: Layout, say: Say, now: Callable[[], str]) -> None:
    """Do what is left to do, if anything; what fails in it is told, and no fault of the caller's.

    The release's command is run again where agentctl was ended while it ran.
    """
    state = read_state(layout)
    if state is None or state.left is None:
        return
    if state.left.get("command") and layout.running_version() == state.left.get("version"):
        _command(layout, state, say, now)
    keep = int(state.left.get("keep", KEEP))
    rest = replace(state, left={**state.left, "command": False})
    try:
        perform("prune", lambda: prune(layout, rest, keep))
    except OSError as error:
        say.step(f"old versions could not be removed, which the next call tries: {error}")
    else:
        rest = replace(rest, left=None)
    try:
        perform("tidied", lambda: write_state(layout, rest))
    except OSError as error:
        say.step(f"that all is done could not be noted, so the next call looks again: {error}")


def _command(layout: Layout, state: State, say: Say, now: Callable[[], str]) -> None:
    release = known_release(layout, state, state.version)
    new = Installation(release, layout, existing_account(state.user))
    if not release.hooks.after_commit:
        return
    say.step("run the release's command after the switch")
    try:
        perform("after-commit", lambda: run_hook(new, release.hooks.after_commit))
    except (AgentctlError, OSError) as error:
        # The version stays: it holds, and going back would undo what others may rely on.
        reason = f"its command after the switch failed: {str(error).splitlines()[0]}"
        reason = Redactor(secret_values(new)).text(reason)
        say.step(reason)
        with suppress(OSError):  # what failed was told
            note(layout, Event(now(), "failed", release.version, reason))
