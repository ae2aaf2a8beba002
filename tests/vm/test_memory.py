"""A version that takes all memory is killed by its unit's own limit, and goes.

Containers on machines with hybrid cgroups have no such limit; a machine of its own has.
"""

from pathlib import Path

import pytest

from tests.support.driven import Driven
from tests.support.faults import OLD, Timing, answers, frail, state, version_of, watched
from tests.support.machine import Machine

pytestmark = pytest.mark.vm
FAULT = "out-of-memory"
# What an agent needs to start, where KVM does not work.
PATIENT = Timing(watch=5, timeout=30)
KILLS = ["journalctl", "--dmesg", "--no-pager", "--grep", "out of memory"]


def test_memory_limit_holds(machine: Machine, tmp_path: Path) -> None:
    driven = Driven.on(machine, "frail")
    good = frail(tmp_path, "", PATIENT, memory="128M")
    bad = frail(tmp_path, FAULT, PATIENT, memory="128M")
    outcome = watched(driven, good, bad)
    assert outcome.late < 60, outcome
    assert answers(machine) == OLD
    failed = state(machine)["failed"].values()
    assert [entry["version"] for entry in failed] == [version_of(FAULT)], outcome
    kills = machine.run(KILLS, user="root").stdout
    assert "Memory cgroup out of memory" in kills
    # Only the limit's own group was out of memory, the machine never.
    assert all("Memory cgroup" in line for line in kills.splitlines() if "Killed process" in line)
