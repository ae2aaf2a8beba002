"""An imagined fleet: what each host would do, and a loop that drives a rollout on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from toolkit.rollout import Decision, Done, Look, Start, Stop, Undo, Wait, decide
from toolkit.rollout_events import (
    Begun,
    Ended,
    Event,
    Finished,
    Found,
    Looked,
    Loss,
    Plan,
    Planned,
    Stopped,
    UndoBegun,
    Undone,
)
from toolkit.rollout_state import State, after, fold

OLD, NEW = "1.0.0", "1.1.0"
DOWN = Loss("unreachable", "no route")
BAD = Loss("reverted", "its health gate did not hold", ran=True)
FULL = Loss("failed", "the disk is full")
FADED = Loss("unhealthy", "it stopped answering", ran=True)


@dataclass
class Fleet:
    """`fates` says per host: good, fresh, holds, down, bad, full, fades (after its visit).

    `ran` lists the hosts on which the new version ever ran, in order.
    """

    fates: Mapping[str, str]
    version: dict[str, str | None] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for host, fate in self.fates.items():
            self.version[host] = {"fresh": None, "holds": NEW}.get(fate, OLD)

    def look(self, host: str) -> Found:
        fate = self.fates[host]
        if fate == "down":
            return Found(host, "lost", loss=DOWN)
        if self.version[host] == NEW:
            if fate == "fades" and host in self.ran:
                return Found(host, "lost", NEW, loss=FADED)
            return Found(host, "holds", NEW)
        return Found(host, "ready" if self.version[host] else "fresh", self.version[host])

    def visit(self, host: str) -> Ended:
        before, fate = self.version[host], self.fates[host]
        if fate == "full":
            return Ended(host, before, before, loss=FULL)
        self.ran.append(host)
        if fate == "bad":
            return Ended(host, before, before, loss=BAD)
        self.version[host] = NEW
        return Ended(host, before, NEW, changed=True)

    def undo(self, host: str, state: State) -> Undone:
        self.version[host] = state.before[host]
        return Undone(host, self.version[host])


Watch = Callable[[State, Decision], None]


def planned(plan: Plan) -> Planned:
    return Planned("tiny-1", "tiny", "upgrade", NEW, plan)


def drive(
    fleet: Fleet,
    events: Sequence[Event],
    seed: int = 0,
    *,
    watch: Watch = lambda _, __: None,
    most: int = 10_000,
) -> list[Event]:
    """Do what is decided until it stops, or `most` events are known; gives all events."""
    chance = random.Random(seed)
    log, state = list(events), fold(events)

    def note(event: Event) -> None:
        nonlocal state
        log.append(event)
        state = after(state, event)

    while len(log) < most:
        decision = decide(state)
        watch(state, decision)
        new = _done(decision, state, fleet, chance)
        if not new:
            return log
        for event in new[: most - len(log)]:
            note(event)
    return log


def _done(decision: Decision, state: State, fleet: Fleet, chance: random.Random) -> list[Event]:
    new: list[Event] = []
    match decision:
        case Look(hosts, waves):
            new = [*(fleet.look(host) for host in hosts), Looked(waves)]
        case Start(hosts):
            new = [Begun(host) for host in hosts]
        case Undo(hosts):
            new = [UndoBegun(host) for host in hosts]
        case Wait() if state.undoing:
            new = [fleet.undo(chance.choice(sorted(state.undoing)), state)]
        case Wait():
            new = [fleet.visit(chance.choice(sorted(state.in_flight)))]
        case Stop(why, revert) if not state.stopped:
            new = [Stopped(why, revert)]
        case Done() if not state.finished:
            new = [Finished()]
    return new
