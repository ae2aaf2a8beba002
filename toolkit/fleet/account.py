"""Tells how a rollout stands, or how it went, out of what its ledger says: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.ledger import Entry
from toolkit.rollout_events import Begun, Ended, Found, Loss, Planned, Undone
from toolkit.rollout_state import State, fold


@dataclass(frozen=True)
class Row:
    """One host: its wave, from 1, what became of it, its versions, and why it is lost.

    `what` is waiting, in flight, holds, had it, lost, went back, or stayed (it could not go back).
    """

    host: str
    wave: int
    what: str
    before: str | None = None
    after: str | None = None
    loss: Loss | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Account:
    """A rollout and its hosts; `driven` says whether a process drives it now.

    `outcome` is running, finished, stopped, or cut off: nobody drives it and it has no end.
    """

    planned: Planned
    state: State
    began: str
    last: str
    rows: tuple[Row, ...]
    driven: bool

    @property
    def outcome(self) -> str:
        """Say in a word how it stands."""
        if self.driven:
            return "running"
        if self.state.finished:
            return "finished"
        return "stopped" if self.state.stopped and not self.state.undoing else "cut off"

    @property
    def why(self) -> str:
        """Say why it stopped."""
        return self.state.stopped.why if self.state.stopped else ""

    def count(self, *words: str) -> int:
        """Count the hosts of which `what` is one of these."""
        return sum(row.what in words for row in self.rows)


def account(entries: Sequence[Entry], *, driven: bool = False) -> Account:
    """Give the account of a rollout, of which the first entry is the plan."""
    events = [entry.event for entry in entries]
    planned = events[0]
    if not isinstance(planned, Planned):
        raise ValueError("the first event is no plan")
    state = fold(events)
    return Account(planned, state, entries[0].at, entries[-1].at, _rows(state, entries), driven)


def _rows(state: State, entries: Sequence[Entry]) -> tuple[Row, ...]:
    seconds: dict[str, float] = {}
    versions: dict[str, str | None] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, Ended | Undone):
            seconds[event.host] = event.seconds
        if isinstance(event, Ended):
            versions[event.host] = event.after or event.before
        if isinstance(event, Found) and event.version:
            versions[event.host] = event.version
    touched = {entry.event.host for entry in entries if isinstance(entry.event, Begun)}
    return tuple(
        Row(
            host,
            number,
            _what(state, host, touched),
            state.before.get(host),
            state.versions.get(host) or versions.get(host),
            state.lost.get(host) or state.undone.get(host),
            seconds.get(host, 0.0),
        )
        for number, wave in enumerate(state.plan.waves, 1)
        for host in wave
    )


def _what(state: State, host: str, touched: set[str]) -> str:
    if host in state.undone:
        return "stayed" if state.undone[host] else "went back"
    if host in state.undoing:
        return "going back"
    if host in state.in_flight:
        return "in flight"
    if host in state.lost:
        return "lost"
    if host in state.holds:
        return "holds" if host in touched else "had it"
    return "waiting"


def as_json(told: Account) -> dict[str, Any]:
    """Give an account for a machine."""
    planned = told.planned
    return {
        "id": planned.id,
        "name": planned.name,
        "verb": planned.verb,
        "target": planned.target,
        "outcome": told.outcome,
        "why": told.why,
        "began": told.began,
        "last": told.last,
        "attempts": told.state.attempt,
        "budget": planned.plan.limit,
        "lost": told.count("lost"),
        "hosts": [_row_json(row) for row in told.rows],
    }


def _row_json(row: Row) -> Mapping[str, Any]:
    loss = row.loss
    return {
        "host": row.host,
        "wave": row.wave,
        "what": row.what,
        "before": row.before,
        "after": row.after,
        "kind": loss.kind if loss else None,
        "reason": loss.reason if loss else None,
        "seconds": row.seconds,
    }
