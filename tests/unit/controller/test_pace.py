"""Heartbeats that come at once are spread."""

from __future__ import annotations

from collections import Counter

from aiwm_controller.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_usual_time_where_there_is_no_crowd() -> None:
    clock = Clock()
    pace = Pace(60, clock=clock)
    for _ in range(600):
        assert pace.next() == 60
        clock.now += 0.2


def test_a_herd_is_spread_and_stays_so() -> None:
    clock = Clock()
    pace = Pace(60, clock=clock)
    due = Counter(1000 + pace.next() for _ in range(2000))
    assert min(due) >= 1030
    assert max(due) <= 1060
    assert max(due.values()) <= 100, "in half a minute, 67 a second is even"
    for _ in range(3):
        last, due = due, Counter()
        for second in range(min(last), max(last) + 1):
            clock.now = second
            for _ in range(last[second]):
                due[second + pace.next()] += 1
    assert max(due.values()) <= 67
    assert sum(due.values()) == 2000


def test_a_steady_fleet_is_left_alone() -> None:
    clock = Clock()
    pace = Pace(60, clock=clock)
    told: Counter[int] = Counter()
    for second in range(600):
        clock.now = 1000 + second
        told.update(pace.next() for _ in range(200))
    assert told[60] > 0.9 * sum(told.values())


def test_a_long_silence_forgets_what_was_due() -> None:
    clock = Clock()
    pace = Pace(5, clock=clock)
    for _ in range(100):
        assert 2 <= pace.next() <= 5
    clock.now += 1000
    assert [pace.next() for _ in range(8)] == [5] * 8
    assert Pace(1, clock=clock).next() == 1
