"""Installs a release: at once where nothing runs yet, else on trial.

Each step can be done again, and leaves the host so that the next run can go on from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from toolkit.host.accounts import Account, existing_account, find_account, this_account
from toolkit.host.activate import Activation
from toolkit.host.ending import Settling, settle
from toolkit.host.errors import FailedBefore, UsageError
from toolkit.host.files import differs, make_folder, unfinished, write_if_changed
from toolkit.host.holds import refuse_pinned
from toolkit.host.known import known_release, read_release
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Manager
from toolkit.host.managers import manager_for
from toolkit.host.privateca import forgets_or_learns, remember
from toolkit.host.release import Release, default_home
from toolkit.host.request import Request, Say
from toolkit.host.settings import settings_text
from toolkit.host.stage import stage
from toolkit.host.state import State, read_state, write_state
from toolkit.host.steps import perform
from toolkit.host.trial import read_trial
from toolkit.host.upgrade import Change, try_out
from toolkit.host.useradd import create_account


def install(request: Request, say: Say, now: Callable[[], str]) -> tuple[str, ...]:
    """Make what `request` says the running version; gives the steps that changed something.

    Where another version runs already, the new one is on trial first, and the other comes back
    unless it holds. Raises a subclass of AgentctlError. The same call, made again, goes on
    from there.
    """
    layout = Layout(request.home)
    prepared = perform("prepare", lambda: _prepare(request, layout, now))
    settle(layout, say, now, Settling(resume=request.source.sha256))
    refuse_pinned(layout, request.version)
    refuse_failed(request, layout)
    staged = perform("stage", lambda: stage(request, layout, say))
    release = read_release(layout.release(request.version))
    manager = manager_for(request.manager, release)
    account = _account(request, release, layout)
    installation = Installation(release, layout, account)
    manager.require(installation)
    changed = (*prepared, *(("stage",) if staged else ()))
    return (*changed, *_activate(request, installation, manager, say, now))


def _activate(
    request: Request,
    installation: Installation,
    manager: Manager,
    say: Say,
    now: Callable[[], str],
) -> tuple[str, ...]:
    former = _former(request, installation)
    if former is None:
        before = read_state(installation.layout) or first_state(request, now())
        return Activation(request, installation, manager, before, say, now).activate()
    change = Change(
        kind="upgrade",
        old=former,
        new=installation,
        manager=manager,
        sha256=request.source.sha256,
        settings=settings_text(installation, request.settings),
        trying=request.trying,
    )
    return try_out(change, say, now)


def _former(request: Request, installation: Installation) -> Installation | None:
    """Give the version that runs under the same manager, which another one must not break."""
    layout = installation.layout
    state = read_state(layout)
    trial = read_trial(layout)
    version = trial.before if trial else layout.running_version()
    if state is None or version is None or state.manager != request.manager:
        return None
    if version == request.version or layout.staged_sha256(version) is None:
        return None
    account = existing_account(state.user)
    release = known_release(layout, state, version, installation.release)
    return Installation(release, layout, account)


def refuse_failed(request: Request, layout: Layout) -> None:
    """Refuse what has failed here before, unless somebody says that it may be tried again.

    Raises FailedBefore.
    """
    state = read_state(layout)
    fault = (state.failed if state else {}).get(request.source.sha256)
    if fault is None or request.again or layout.running_version() == request.version:
        return
    raise FailedBefore(
        f"{request.name} {request.version} failed on this host before, at {fault['at']}: "
        f"{fault['reason']}",
        hint="install another version; or mend what was wrong with the host and say --again",
    )


def _prepare(request: Request, layout: Layout, now: Callable[[], str]) -> tuple[str, ...]:
    """Make the folder, with the engine and a first state, so that uninstall works from here on.

    Gives what of that changed something.
    """
    require_ours(layout)
    changed = foresee_prepare(request, layout)
    state = read_state(layout)
    if state is None:
        write_state(layout, first_state(request, now()))
    else:
        write_state(layout, _recorded(request, state))
    make_folder(layout.home, 0o755)
    remember(layout, request.ca)
    if request.header:
        write_if_changed(layout.store_header, request.header, 0o600)
    write_if_changed(layout.agentctl, request.engine, 0o755)
    make_folder(layout.releases, 0o755)
    return changed


def foresee_prepare(request: Request, layout: Layout) -> tuple[str, ...]:
    """Say what is to change before a version is looked at: the engine, and what is remembered."""
    state = read_state(layout)
    header = bool(request.header) and differs(layout.store_header, request.header)
    other = header or forgets_or_learns(layout, request.ca)
    record = state is not None and (other or _recorded(request, state) != state)
    engine = differs(layout.agentctl, request.engine)
    return (*(("agentctl",) if engine else ()), *(("record",) if record else ()))


def _recorded(request: Request, state: State) -> State:
    return replace(
        state,
        store=request.store,
        channel=request.channel,
        header_file=request.header_file,
        header_over_http=request.header_over_http,
    )


def require_ours(layout: Layout) -> None:
    """Refuse a folder that is somebody's: an uninstallation would take its files away."""
    if read_state(layout) is not None:
        return
    ours = {*layout.own, *unfinished(layout.home)}
    others = sorted(path.name for path in layout.home.iterdir() if path not in ours)
    if others:
        raise UsageError(
            f"{layout.home} holds files that agentctl did not make: {', '.join(others[:5])}",
            hint="move them away, or install into a folder that is new or empty",
        )


def first_state(request: Request, at: str) -> State:
    """Give what is remembered of a service before anything of it stands."""
    return State(
        name=request.name,
        service=request.service,
        version=request.version,
        platform=request.platform,
        manager=request.manager,
        user=request.user,
        created_user=False,
        home=str(request.home),
        store=request.store,
        channel=request.channel,
        header_file=request.header_file,
        header_over_http=request.header_over_http,
        sha256=request.source.sha256,
        outcome="installing",
        reason="its first installation is under way",
        at=at,
    )


def _account(request: Request, release: Release, layout: Layout) -> Account:
    """Give the user that runs the service; makes it where the release wants one of its own.

    In a private folder nothing of the system is changed: there the caller runs it. Whoever
    installed it first stays its user, so that a colleague's run takes no files from them.
    """
    if os.geteuid() != 0:
        return this_account()
    state = read_state(layout)
    name = release.service.user
    if name is None or str(layout.home) != default_home(request.service):
        return existing_account(state.user if state else request.user)
    if state is not None and state.user != name and layout.running_version() is not None:
        # What the old version wrote is for its own user alone, and it must be able to go on.
        raise UsageError(
            f"{release.name} {release.version} runs as {name}, and what runs now as {state.user}: "
            "no upgrade changes a service's user",
            hint=f"{layout.agentctl} uninstall --keep-data, give logs/ and workspace/ to {name}, "
            "and install it anew",
        )
    account = find_account(name)
    if account is None:
        if state is not None:
            # Noted first: a user that was made and forgotten would stay for ever.
            write_state(layout, replace(state, created_user=True, user=name))
        account = create_account(name, layout.home)
    return account
