"""Goes back to a version that is still on the host: no network is needed."""

from __future__ import annotations

from collections.abc import Callable

from toolkit.host.accounts import existing_account
from toolkit.host.ending import Settling, settle
from toolkit.host.errors import UsageError
from toolkit.host.holds import refuse_pinned
from toolkit.host.known import known_release, read_release
from toolkit.host.layout import MARKER, Layout
from toolkit.host.manager import Installation
from toolkit.host.managers import manager_for
from toolkit.host.request import Say, Trying
from toolkit.host.settings import settings_text
from toolkit.host.state import State, read_state
from toolkit.host.trial import read_trial
from toolkit.host.upgrade import CHANGING, Change, try_out


def rollback(
    layout: Layout, to: str | None, trying: Trying, say: Say, now: Callable[[], str]
) -> tuple[str, tuple[str, ...]]:
    """Make the version `to`, or the one before the running one, run; on trial, as an upgrade.

    Gives that version, and the steps that changed something. Raises UsageError where it is not
    on the host, and what `try_out` does.
    """
    state = _installed(layout)
    trial = read_trial(layout)
    resume = trial.sha256 if trial and trial.kind == "rollback" else None
    settle(layout, say, now, Settling(resume=resume))
    state = read_state(layout) or state
    version, running = _wanted(layout, state, to)
    if version == running or running is None:
        return version, ()
    refuse_pinned(layout, version)
    sha256 = _sha256(layout, version)
    account = existing_account(state.user)
    new = Installation(read_release(layout.release(version)), layout, account)
    old = Installation(known_release(layout, state, running, new.release), layout, account)
    manager = manager_for(state.manager, new.release)
    manager.require(new)
    change = Change(
        kind="rollback",
        old=old,
        new=new,
        manager=manager,
        sha256=sha256,
        settings=settings_text(new, {}),
        trying=trying,
    )
    return version, try_out(change, say, now)


def foresee(layout: Layout, to: str | None) -> tuple[str, tuple[str, ...]]:
    """Give what `rollback` would give, and do nothing; raises as it does."""
    version, running = _wanted(layout, _installed(layout), to)
    if version == running or running is None:
        return version, ()
    refuse_pinned(layout, version)
    _sha256(layout, version)
    return version, CHANGING


def _wanted(layout: Layout, state: State, to: str | None) -> tuple[str, str | None]:
    """Give the version to go back to, and the one that runs, or ran before a trial."""
    trial = read_trial(layout)
    version = to or (trial.version if trial else _previous(layout, state))
    return version, trial.before if trial else layout.running_version()


def _sha256(layout: Layout, version: str) -> str:
    sha256 = layout.staged_sha256(version)
    if sha256 is None:
        raise UsageError(
            f"{version} is not on this host; these are: {', '.join(_staged(layout))}",
            hint="name one of them, or install it by its install script",
        )
    return sha256


def _installed(layout: Layout) -> State:
    state = read_state(layout)
    if state is None:
        raise UsageError(
            f"no service is installed in {layout.home}",
            hint="install one, or name the folder with --home",
        )
    return state


def _previous(layout: Layout, state: State) -> str:
    if state.previous is None or layout.staged_sha256(state.previous) is None:
        raise UsageError(
            f"there is no version before {state.version} on this host; "
            f"these are: {', '.join(_staged(layout))}",
            hint="name one with --to, or install one by its install script",
        )
    return state.previous


def _staged(layout: Layout) -> list[str]:
    return sorted(path.parent.name for path in layout.releases.glob(f"*/{MARKER}"))
