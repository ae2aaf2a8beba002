"""Decides what a rollout does next: pure, over what its ledger says.

How many hosts may be worked on at a time follows from the failure budget, so that a bad version
never takes more hosts than the operator gave up beforehand. With `limit` the budget in hosts:

1. The canaries come first, alone. If the version fails on one of them, the rollout stops. A canary
   that fails for another reason (unreachable, disk full) is replaced by the next host.
2. *At risk* are the hosts that are lost, those in flight, and, until `limit` hosts beyond the
   canaries hold the version, also those that hold it: what is bad only under load holds a while.
   A host is begun only if no more than `limit` are at risk with it.
3. Where that leaves no room because hosts are unreachable or the budget is 0, and the version has
   failed nowhere, one host at a time goes on. The next loss beyond the budget stops the rollout.
4. Where the version has failed somewhere and there is no room, the rollout stops.
5. A host on which nothing runs yet has nothing to lose: in flight, it does not count as at risk;
   once it has failed it does.
6. A wave ends when each of its hosts holds the version or is lost. Then all that hold it are asked
   again, and those that are not healthy any more are lost too, before the next wave begins.

So at most max(limit, canaries + 1) hosts ever run a version that fails on all but the canaries:
with 50 hosts, 5 % and one canary, 2. What a look finds lost can be more than the budget, since
hosts fail without a rollout too; it then stops.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.rollout_events import Stopped
from toolkit.rollout_state import State, to_undo


@dataclass(frozen=True)
class Look:
    """Ask these hosts how they stand, then note that so many `waves` were looked at."""

    hosts: tuple[str, ...]
    waves: int


@dataclass(frozen=True)
class Start:
    """Begin with these hosts."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Undo:
    """Take these hosts back to what they had before."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Wait:
    """Nothing can be begun before something ends."""


@dataclass(frozen=True)
class Stop:
    """Stop, and say why; with `revert`, take back who holds the version."""

    why: str
    revert: bool = False


@dataclass(frozen=True)
class Done:
    """Nothing is left to do: all hosts hold the version but those that the budget allowed for."""


Decision = Look | Start | Undo | Wait | Stop | Done
BEFORE_ALL = 0


def decide(state: State) -> Decision:
    """Say what to do next. Whoever does it notes it as events, and asks again."""
    if state.stopped is not None:
        return _after_the_stop(state, state.stopped)
    why = _reason_to_stop(state)
    if why is not None:
        revert = state.plan.revert and not state.interrupted
        return Wait() if state.in_flight else Stop(why, revert)
    if state.in_flight:
        return _start(state) or Wait()
    return _look(state) or _go_on(state)


def _look(state: State) -> Look | None:
    """Say whom to ask how they stand: all at first, then at the end of a wave who holds it."""
    if state.unseen:
        return Look(_in_order(state, state.unseen), BEFORE_ALL)
    ended = waves_ended(state)
    if state.looked < ended and state.holds and state.visited:
        return Look(_in_order(state, state.holds), ended)
    return None


def _go_on(state: State) -> Decision:
    if not state.pending:
        return Done()
    return _start(state) or Stop(_no_room(state), state.plan.revert)


def _after_the_stop(state: State, stopped: Stopped) -> Decision:
    """Take back what is to be taken back, and do nothing else."""
    free = state.plan.parallel - len(state.undoing)
    hosts = _in_order(state, to_undo(state) - state.undoing)[: max(free, 0)]
    if hosts and stopped.revert and not state.interrupted:
        return Undo(hosts)
    return Wait() if state.undoing or state.in_flight else Stop(stopped.why)


def _reason_to_stop(state: State) -> str | None:
    lost, limit = len(state.lost), state.plan.limit
    if lost > limit:
        return f"{_hosts(lost)} of {len(state.plan.hosts)} are lost, and {limit} may be"
    if state.blamed and _canaries_missing(state):
        return "it failed on a canary"
    if state.interrupted:
        return "the operator interrupted it"
    return None


def _start(state: State) -> Start | None:
    """Say whom to begin with now, or None where there is nobody or no room."""
    wave = state.plan.waves[waves_ended(state) : waves_ended(state) + 1]
    free = state.plan.parallel - len(state.in_flight)
    missing = _canaries_missing(state)
    if missing:
        free = min(free, missing - len(state.in_flight))
    room = _room(state)
    chosen: list[str] = []
    for host in (host for hosts in wave for host in hosts if host in state.pending):
        risky = host not in state.fresh
        if len(chosen) < free and (not risky or room > 0):
            chosen.append(host)
            room -= risky
    return Start(tuple(chosen)) if chosen else None


def _room(state: State) -> int:
    """Say how many more hosts, that have something to lose, may be put at risk now."""
    room = state.plan.limit - at_risk(state)
    flying = state.in_flight - state.had_nothing
    alone = not flying and not state.blamed and len(state.lost) <= state.plan.limit
    return 1 if room <= 0 and alone else room


def at_risk(state: State) -> int:
    """Count the hosts that a bad version would have taken, if all that is open went wrong."""
    flying = len(state.in_flight - state.had_nothing)
    holding = len(state.proved)
    unproved = holding if holding - state.plan.canaries < state.plan.limit else 0
    return len(state.lost) + flying + unproved


def waves_ended(state: State) -> int:
    """Count the waves, from the first on, of which no host is still to be visited or in flight."""
    for number, wave in enumerate(state.plan.waves):
        if (state.pending | state.in_flight | state.unseen).intersection(wave):
            return number
    return len(state.plan.waves)


def _canaries_missing(state: State) -> int:
    return max(state.plan.canaries - len(state.taken), 0)


def _no_room(state: State) -> str:
    ran = sum(loss.ran for loss in state.lost.values())
    return (
        f"it failed on {_hosts(ran)}; one more could make {at_risk(state) + 1} at risk, and "
        f"{state.plan.limit} may be"
    )


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def _in_order(state: State, hosts: frozenset[str]) -> tuple[str, ...]:
    return tuple(host for host in state.plan.hosts if host in hosts)
