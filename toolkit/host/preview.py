"""Says what a call would do, and does nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass

from toolkit.host.accounts import existing_account, this_account
from toolkit.host.activate import Activation
from toolkit.host.forms import smallest
from toolkit.host.install import first_state, foresee_prepare, refuse_failed
from toolkit.host.known import read_release
from toolkit.host.layout import MARKER, Layout
from toolkit.host.manager import Installation
from toolkit.host.managers import manager_for
from toolkit.host.plan import CHECKS, Facts, plan
from toolkit.host.request import Request, Say
from toolkit.host.settings import settings_there
from toolkit.host.state import State, read_state
from toolkit.host.trial import read_trial
from toolkit.host.upgrade import CHANGING

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Preview:
    """The version that would run, the one that runs, and what would be done, in order.

    `changed` are the steps that would change something, as `install` gives them.
    """

    version: str
    before: str | None
    steps: tuple[str, ...]
    changed: tuple[str, ...]


def preview(request: Request, layout: Layout) -> Preview:
    """Give what `install` would do with `request`, as far as it is known without fetching.

    Raises FailedBefore, as it would.
    """
    refuse_failed(request, layout)
    state, trial = read_state(layout), read_trial(layout)
    before = trial.before if trial else layout.running_version()
    steps = [*_unfinished(request, layout), *_staging(request, layout)]
    if before is None or state is None:
        steps += [f"write {layout.env}", *_starting(request, layout), "wait for its health gate"]
    elif before == request.version:
        steps += _same(request, layout, state)
    elif state.manager != request.manager or layout.staged_sha256(before) is None:
        if state.manager != request.manager:
            steps.append(f"take the service from {state.manager}")
        steps.append(f"write {layout.env}")
        steps += [*_starting(request, layout), "wait for its health gate"]
    else:
        steps += _trial(request, layout, before)
    return Preview(request.version, before, tuple(steps), foresee(request, layout))


def foresee(request: Request, layout: Layout) -> tuple[str, ...]:
    """Give what `install` would give, as far as it is known without fetching.

    Of a version that is not on the host, it is not known which settings are required, nor which
    of them are secrets.
    """
    changed = foresee_prepare(request, layout)
    if layout.staged_sha256(request.version) == request.source.sha256:
        return (*changed, *_foresee_staged(request, layout))
    return (*changed, "stage", *_foresee_new(request, layout))


def _foresee_staged(request: Request, layout: Layout) -> tuple[str, ...]:
    state = read_state(layout)
    if _is_tried(request, layout, state):
        return CHANGING
    release = read_release(layout.release(request.version))
    manager = manager_for(request.manager, release)
    name = state.user if state else request.user
    account = existing_account(name) if os.geteuid() == 0 else this_account()
    installation = Installation(release, layout, account)
    before = state or first_state(request, "")
    silent = Say(lambda _: None, lambda _, __: None)
    return Activation(request, installation, manager, before, silent, str).foresee()


def _foresee_new(request: Request, layout: Layout) -> tuple[str, ...]:
    state = read_state(layout)
    if _is_tried(request, layout, state):
        return CHANGING
    running, before = layout.running_version(), settings_there(layout)
    differ = not layout.env.exists() or {**before, **request.settings} != before
    manager = state.manager if state and running is not None else None
    facts = Facts(running, manager, False, differ, False, False)
    steps = plan(request.version, request.manager, facts)
    return tuple(step for step in steps if step not in CHECKS)


def _is_tried(request: Request, layout: Layout, state: State | None) -> bool:
    """Say whether the version would be on trial, so that another one can come back."""
    trial = read_trial(layout)
    before = trial.before if trial else layout.running_version()
    if state is None or before is None or state.manager != request.manager:
        return False
    return before != request.version and layout.staged_sha256(before) is not None


def _unfinished(request: Request, layout: Layout) -> list[str]:
    trial = read_trial(layout)
    if trial is None:
        return []
    if trial.sha256 == request.source.sha256:
        return [f"go on with the trial of {trial.version} that began at {trial.began}"]
    return [f"end the trial of {trial.version} that began at {trial.began}"]


def _staging(request: Request, layout: Layout) -> list[str]:
    if layout.staged_sha256(request.version) == request.source.sha256:
        return []
    installed = {path.parent.name for path in layout.releases.glob(f"*/{MARKER}")}
    delta, zstd = smallest(request.forms, request.source, installed)
    source = next((form.source for form in (delta, zstd) if form), request.source)
    size = f" ({source.size / MEGABYTE:.2f} MB)" if source.size else ""
    return [f"fetch {source.url}{size}", f"unpack {layout.release(request.version)}"]


def _starting(request: Request, layout: Layout) -> list[str]:
    return [
        f"switch {layout.current} to {request.version}",
        f"set {request.service} up in {request.manager}",
        f"start {request.service} {request.version}",
    ]


def _same(request: Request, layout: Layout, state: State) -> list[str]:
    done = ["look whether unit, settings and process are as they should be, and mend what is not"]
    if request.settings:
        done.insert(0, f"write {layout.env}, and restart {request.service} where that changes it")
    if state.outcome not in ("running", "reverted"):
        done.append(f"start {request.service} anew: an earlier run did not come to its end")
    return [*done, "wait for its health gate"]


def _trial(request: Request, layout: Layout, before: str) -> list[str]:
    window = "as long as the release says"
    if request.trying.window is not None:
        window = f"for {request.trying.window:g} s"
    return [
        f"note what stands, to go back to {before}",
        f"write {layout.env}",
        *_starting(request, layout),
        f"watch it {window}; then keep it, or bring {before} back",
        f"remove versions beyond the last {request.trying.keep}",
    ]
