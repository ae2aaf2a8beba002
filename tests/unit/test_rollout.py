"""What a rollout may put at risk, in fleets of every kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fleet_model import BAD, DOWN, NEW, OLD, Fleet, drive, planned
from toolkit.rollout import Decision, Look, Start, Stop, Undo, Wait, at_risk, decide
from toolkit.rollout_events import (
    Begun,
    Ended,
    Event,
    Finished,
    Found,
    Interrupted,
    Looked,
    Plan,
    Resumed,
    Stopped,
    UndoBegun,
    Undone,
)
from toolkit.rollout_state import State, fold
from toolkit.waves import Member, Shape, cut

FATES = ("good", "good", "good", "fresh", "holds", "down", "bad", "full", "fades")


def names(count: int) -> list[str]:
    return [f"h{number:02}" for number in range(count)]


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[Plan, Mapping[str, str]]:
    """A plan, and what becomes of each of its hosts."""
    kinds = draw(st.lists(st.sampled_from(FATES), min_size=1, max_size=len(FATES), unique=True))
    fates = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=24))
    hosts = names(len(fates))
    canaries = draw(st.integers(0, 3))
    shape = Shape(canaries, tuple(f"{step}%" for step in draw(st.sets(st.integers(1, 100)))))
    plan = Plan(
        cut([Member(host) for host in hosts], shape),
        canaries=canaries,
        limit=draw(st.integers(0, len(hosts))),
        parallel=draw(st.integers(1, 10)),
        revert=draw(st.booleans()),
    )
    return plan, dict(zip(hosts, fates, strict=True))


seeds = st.integers(0, 1000)


@given(rollouts(), seeds)
def test_no_more_is_at_risk_than_the_budget_leaves(
    drawn: tuple[Plan, Mapping[str, str]], seed: int
) -> None:
    plan, fates = drawn

    def watch(state: State, decision: Decision) -> None:
        if not isinstance(decision, Start):
            return
        risky = set(decision.hosts) - state.fresh
        alone = len(state.lost) <= plan.limit and not state.blamed and len(risky) == 1
        assert not risky or at_risk(state) + len(risky) <= plan.limit or alone
        flying = (state.in_flight | set(decision.hosts)) - state.had_nothing
        assert len(state.lost) + len(flying) <= plan.limit + 1
        assert len(state.lost) <= plan.limit
        assert len(state.in_flight) + len(decision.hosts) <= plan.parallel

    drive(Fleet(fates), [planned(plan)], seed, watch=watch)


@given(rollouts(), seeds)
def test_waves_follow_one_another_and_canaries_are_alone(
    drawn: tuple[Plan, Mapping[str, str]], seed: int
) -> None:
    plan, fates = drawn
    wave_of = {host: number for number, wave in enumerate(plan.waves) for host in wave}

    def watch(state: State, decision: Decision) -> None:
        if isinstance(decision, Start):
            under_way = state.in_flight | set(decision.hosts)
            (wave,) = {wave_of[host] for host in under_way}
            before = {host for host in plan.hosts if wave_of[host] < wave}
            assert before <= state.holds | set(state.lost)
            if len(state.taken) < plan.canaries:
                assert len(state.taken) + len(under_way) <= plan.canaries
                assert not state.blamed

    drive(Fleet(fates), [planned(plan)], seed, watch=watch)


@given(rollouts(), seeds)
def test_a_rollout_ends_and_says_truly_how(
    drawn: tuple[Plan, Mapping[str, str]], seed: int
) -> None:
    plan, fates = drawn
    fleet = Fleet(fates)
    log = drive(fleet, [planned(plan)], seed)
    state = fold(log)
    visits = Counter(event.host for event in log if isinstance(event, Begun))
    assert all(count == 1 for count in visits.values())
    assert not state.in_flight
    assert not state.undoing
    if isinstance(log[-1], Finished):
        assert state.holds | set(state.lost) == set(plan.hosts)
        assert len(state.lost) <= plan.limit
        assert {h for h in state.holds if fleet.version[h] != NEW} == set()
    else:
        assert state.stopped is not None
        assert state.blamed or len(state.lost) > plan.limit
        went_back = {host for host in plan.hosts if host in state.undone}
        assert went_back == (went_back | state.proved if plan.revert else set())
        assert all(fleet.version[host] == OLD for host in went_back)


@given(rollouts(), seeds, st.lists(st.integers(1, 60), max_size=4))
def test_every_prefix_goes_on_and_nobody_is_visited_twice_in_an_attempt(
    drawn: tuple[Plan, Mapping[str, str]], seed: int, cuts: list[int]
) -> None:
    plan, fates = drawn
    fleet = Fleet(fates)
    log: list[Event] = [planned(plan)]
    for more in cuts:
        log = [*drive(fleet, log, seed, most=len(log) + more), Resumed()]
    log = drive(fleet, log, seed)
    state = fold(log)
    assert not state.in_flight
    assert state.finished or state.stopped
    visits: Counter[str] = Counter()
    for event in log:
        if isinstance(event, Resumed):
            visits.clear()
        if isinstance(event, Begun):
            visits[event.host] += 1
            assert visits[event.host] == 1
    if state.finished:
        assert all(fleet.version[host] == NEW for host in state.holds)


@given(rollouts(), seeds)
def test_a_stop_is_final(drawn: tuple[Plan, Mapping[str, str]], seed: int) -> None:
    plan, fates = drawn
    log = drive(Fleet(fates), [planned(plan)], seed)
    for number, event in enumerate(log):
        if isinstance(event, Stopped):
            assert all(isinstance(later, UndoBegun | Undone) for later in log[number + 1 :])
    assert drive(Fleet(fates), log, seed) == log


@given(st.integers(1, 60), st.integers(0, 5), st.integers(1, 4), seeds)
def test_what_is_bad_on_all_but_the_canaries_runs_on_few(
    count: int, limit: int, canaries: int, seed: int
) -> None:
    hosts = names(count)
    waves = cut([Member(host) for host in hosts], Shape(canaries))
    fleet = Fleet({host: "good" if host in waves[0] else "bad" for host in hosts})
    drive(fleet, [planned(Plan(waves, canaries, limit))], seed)
    assert len(fleet.ran) <= max(limit, canaries + 1)


def fifty(limit: int = 2) -> Plan:
    return Plan(cut([Member(host) for host in names(50)], Shape()), canaries=1, limit=limit)


def test_of_fifty_hosts_two_ever_run_what_is_bad_under_load() -> None:
    """Load may be on all of them, or on all but the canary."""
    everywhere = Fleet(dict.fromkeys(names(50), "bad"))
    log = drive(everywhere, [planned(fifty())])
    assert everywhere.ran == ["h00"]
    assert log[-1] == Stopped("it failed on a canary")
    elsewhere = Fleet({host: "bad" if number else "good" for number, host in enumerate(names(50))})
    log = drive(elsewhere, [planned(fifty())])
    assert elsewhere.ran == ["h00", "h01"]
    assert log[-1] == Stopped("it failed on 1 host; one more could make 3 at risk, and 2 may be")


def test_ten_percent_unreachable_stops_before_anything_is_touched() -> None:
    fates = dict.fromkeys(names(50), "good") | dict.fromkeys(names(50)[10:15], "down")
    log = drive(Fleet(fates), [planned(fifty())])
    assert not [event for event in log if isinstance(event, Begun)]
    assert log[-1] == Stopped("5 hosts of 50 are lost, and 2 may be")


def test_unreachable_hosts_within_the_budget_let_one_at_a_time_go_on() -> None:
    fates = dict.fromkeys(names(10), "good") | {"h03": "down"}
    widest = 0

    def watch(state: State, decision: Decision) -> None:
        nonlocal widest
        if isinstance(decision, Start):
            widest = max(widest, len(state.in_flight) + len(decision.hosts))

    plan = Plan(cut([Member(host) for host in names(10)], Shape()), canaries=1, limit=1)
    fleet = Fleet(fates)
    assert drive(fleet, [planned(plan)], watch=watch)[-1] == Finished()
    assert (widest, len(fleet.ran)) == (1, 9)


def test_a_canary_that_is_down_is_replaced() -> None:
    fleet = Fleet({"h00": "down", "h01": "good", "h02": "good", "h03": "good"})
    plan = Plan((("h00",), ("h01", "h02", "h03")), canaries=1, limit=2)
    first = [event for event in drive(fleet, [planned(plan)]) if isinstance(event, Begun | Ended)]
    assert first[:2] == [Begun("h01"), Ended("h01", OLD, NEW, changed=True)]
    assert len(fleet.ran) == 3


def test_hosts_with_nothing_to_lose_go_side_by_side() -> None:
    hosts = names(20)
    plan = Plan((tuple(hosts[:1]), tuple(hosts[1:])), canaries=1, limit=1, parallel=8)
    log = drive(Fleet(dict.fromkeys(hosts, "fresh")), [planned(plan)])
    assert log[-1] == Finished()
    flying = widest = 0
    for event in log:
        flying += isinstance(event, Begun) - isinstance(event, Ended)
        widest = max(widest, flying)
    assert widest == 8


def test_what_fades_after_its_wave_counts() -> None:
    fates = dict.fromkeys(names(6), "good") | {"h01": "fades", "h02": "fades"}
    plan = Plan((("h00",), ("h01", "h02"), ("h03", "h04", "h05")), canaries=1, limit=1, revert=True)
    fleet = Fleet(fates)
    log = drive(fleet, [planned(plan)])
    state = fold(log)
    assert state.stopped == Stopped("2 hosts of 6 are lost, and 1 may be", revert=True)
    assert state.undone == {"h00": None}
    assert fleet.version["h00"] == OLD


def test_ctrl_c_begins_nothing_new_and_waits() -> None:
    plan = Plan((("h00",), ("h01", "h02")), canaries=0, limit=3)
    log: list[Event] = [
        planned(plan),
        *(Found(host, "ready", OLD) for host in plan.hosts),
        Looked(0),
        Begun("h00"),
        Interrupted(),
    ]
    assert decide(fold(log)) == Wait()
    log.append(Ended("h00", OLD, NEW, changed=True))
    assert decide(fold(log)) == Stop("the operator interrupted it")
    log += [Stopped("the operator interrupted it"), Resumed()]
    assert decide(fold(log)) == Look(("h00", "h01", "h02"), 0)


def test_what_was_begun_and_not_ended_is_asked_of_the_host() -> None:
    plan = Plan((("h00",), ("h01",)), canaries=1, limit=1)
    log: list[Event] = [
        planned(plan),
        Found("h00", "ready", OLD),
        Found("h01", "ready", OLD),
        Looked(0),
        Begun("h00"),
        Resumed(),
        Found("h00", "holds", NEW),
        Found("h01", "ready", OLD),
        Looked(0),
    ]
    state = fold(log)
    assert state.taken == {"h00"}
    assert state.before["h00"] == OLD
    assert decide(state) == Start(("h01",))


def test_going_back_that_was_cut_off_goes_on_first() -> None:
    plan = Plan((("h00",), ("h01", "h02")), canaries=1, limit=1, revert=True)
    log: list[Event] = [
        planned(plan),
        *(Found(host, "ready", OLD) for host in plan.hosts),
        Looked(0),
        Begun("h00"),
        Ended("h00", OLD, NEW, changed=True),
        Begun("h01"),
        Ended("h01", OLD, OLD, loss=BAD),
        Stopped("over", revert=True),
        UndoBegun("h00"),
        Resumed(),
    ]
    assert decide(fold(log)) == Undo(("h00",))
    log += [UndoBegun("h00"), Undone("h00", OLD)]
    assert decide(fold(log)) == Stop("over")
    assert decide(fold([*log, Resumed()])) == Look(plan.hosts, 0)


def test_who_was_lost_may_be_found_well_by_the_next_attempt() -> None:
    plan = Plan((("h00", "h01"),), canaries=0, limit=0)
    log: list[Event] = [
        planned(plan),
        Found("h00", "ready", OLD),
        Found("h01", "lost", loss=DOWN),
        Looked(0),
        Stopped("1 host of 2 are lost, and 0 may be"),
        Resumed(),
        Found("h00", "ready", OLD),
        Found("h01", "ready", OLD),
        Looked(0),
    ]
    assert decide(fold(log)) == Start(("h00",))


def test_a_ledger_begins_with_its_plan() -> None:
    with pytest.raises(ValueError, match="no plan"):
        fold([Begun("h00")])
