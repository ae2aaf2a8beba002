"""How a rollout stands: a pure fold over its events, so that any prefix of them can go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from toolkit.rollout_events import (
    Begun,
    Ended,
    Event,
    Finished,
    Found,
    Interrupted,
    Looked,
    Loss,
    Plan,
    Planned,
    Resumed,
    Stopped,
    UndoBegun,
    Undone,
)

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class State:
    """How a rollout stands.

    Each host of the plan is in one of: `unseen` (nobody has looked at it in this attempt),
    `ready` or `fresh` (to be visited), `in_flight`, `holds`, `lost`. `visited` is who was begun in
    this attempt, and `open` who was ever begun and has not ended. `taken` is who came to hold the
    version by this rollout, as far as is known; `had_nothing` is who ran nothing before.
    """

    plan: Plan
    attempt: int = 1
    unseen: frozenset[str] = _NONE
    ready: frozenset[str] = _NONE
    fresh: frozenset[str] = _NONE
    in_flight: frozenset[str] = _NONE
    holds: frozenset[str] = _NONE
    lost: Mapping[str, Loss] = field(default_factory=dict)
    visited: frozenset[str] = _NONE
    open: frozenset[str] = _NONE
    had_nothing: frozenset[str] = _NONE
    taken: frozenset[str] = _NONE
    looked: int = -1
    interrupted: bool = False
    stopped: Stopped | None = None
    undoing: frozenset[str] = _NONE
    undone: Mapping[str, Loss | None] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str | None] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    finished: bool = False

    @property
    def pending(self) -> frozenset[str]:
        """Who is still to be visited."""
        return self.ready | self.fresh

    @property
    def proved(self) -> frozenset[str]:
        """Who took the version in place of another one, and holds it."""
        return self.taken - self.had_nothing

    @property
    def blamed(self) -> bool:
        """Say whether the version itself failed on a host, or may have."""
        return any(loss.ran for loss in self.lost.values())


def begin(plan: Plan) -> State:
    """Give a rollout of which nothing is done yet."""
    return State(plan, unseen=frozenset(plan.hosts))


def fold(events: Iterable[Event]) -> State:
    """Give how a rollout stands after `events`, of which the first is its plan.

    Raises ValueError where it is not.
    """
    first, *rest = events
    if not isinstance(first, Planned):
        raise ValueError("the first event is no plan")
    return reduce(after, rest, begin(first.plan))


def after(state: State, event: Event) -> State:
    """Give how the rollout stands after one more event."""
    return _AFTER[type(event)](state, event)


def _without(state: State, host: str) -> State:
    """Take a host out of every place that it may stand in."""
    gone = {host}
    return replace(
        state,
        unseen=state.unseen - gone,
        ready=state.ready - gone,
        fresh=state.fresh - gone,
        in_flight=state.in_flight - gone,
        holds=state.holds - gone,
        lost={name: loss for name, loss in state.lost.items() if name != host},
    )


def _lose(state: State, host: str, loss: Loss) -> State:
    bare = _without(state, host)
    return replace(bare, lost={**bare.lost, host: loss}, taken=bare.taken - {host})


def _found(state: State, event: Found) -> State:
    host, version = event.host, event.version
    if event.standing == "lost":
        return _lose(state, host, event.loss or Loss("unknown", "nobody knows why"))
    targets = {host: event.target, **state.targets} if event.target else state.targets
    known = {**state.versions, host: version}
    state = replace(_without(state, host), versions=known, targets=targets)
    if event.standing == "holds":
        taken = state.taken | (state.open & {host})
        return replace(state, holds=state.holds | {host}, taken=taken, open=state.open - {host})
    taken = state.taken - {host}
    before = {**state.before, host: version} if version else state.before
    if event.standing == "fresh":
        nothing = state.had_nothing | {host}
        return replace(state, fresh=state.fresh | {host}, had_nothing=nothing, taken=taken)
    nothing = state.had_nothing - {host}
    return replace(
        state, ready=state.ready | {host}, had_nothing=nothing, taken=taken, before=before
    )


def _begun(state: State, event: Begun) -> State:
    bare, host = _without(state, event.host), {event.host}
    return replace(
        bare,
        in_flight=bare.in_flight | host,
        visited=bare.visited | host,
        open=bare.open | host,
    )


def _ended(state: State, event: Ended) -> State:
    host = event.host
    state = replace(state, open=state.open - {host})
    if event.loss is not None:
        return _lose(state, host, event.loss)
    bare = _without(state, host)
    before = {**bare.before, host: event.before} if event.changed and event.before else bare.before
    return replace(
        bare,
        holds=bare.holds | {host},
        taken=bare.taken | {host},
        before=before,
        versions={**bare.versions, host: event.after},
    )


def _resumed(state: State, event: Resumed) -> State:
    del event
    again = replace(state, attempt=state.attempt + 1, interrupted=False, undoing=_NONE)
    if state.stopped and state.stopped.revert and to_undo(again):
        return again  # what was begun to be taken back is taken back first
    return replace(
        again,
        unseen=frozenset(state.plan.hosts),
        ready=_NONE,
        fresh=_NONE,
        in_flight=_NONE,
        holds=_NONE,
        lost={},
        visited=_NONE,
        looked=-1,
        stopped=None,
        undone={},
        taken=state.taken - set(state.undone),
        finished=False,
    )


def to_undo(state: State) -> frozenset[str]:
    """Say who holds the version by this rollout and has one to go back to."""
    moved = {host for host, version in state.before.items() if state.versions.get(host) != version}
    return (state.proved & moved) - frozenset(state.undone)


def _undone(state: State, event: Undone) -> State:
    host = event.host
    versions = state.versions if event.loss else {**state.versions, host: event.after}
    return replace(
        state,
        undoing=state.undoing - {host},
        undone={**state.undone, host: event.loss},
        versions=versions,
    )


_AFTER: Mapping[type[Any], Callable[[State, Any], State]] = {
    Planned: lambda state, _: state,
    Found: _found,
    Looked: lambda state, event: replace(state, looked=event.waves),
    Begun: _begun,
    Ended: _ended,
    Interrupted: lambda state, _: replace(state, interrupted=True),
    Stopped: lambda state, event: replace(state, stopped=event),
    Resumed: _resumed,
    UndoBegun: lambda state, event: replace(state, undoing=state.undoing | {event.host}),
    Undone: _undone,
    Finished: lambda state, _: replace(state, finished=True),
}
