"""The power of a whole machine is cut at each step of an upgrade, and at any instant.

What the machine's programs had not synced is lost, so this shows what containers can't: a rename
that reached the disk before the file's content, or a marker before the files that it vouches for.
POWER_SEED and POWER_CUTS choose the cuts at any instant.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.driven import Driven
from tests.support.machine import Machine, Writeback
from tests.support.releases import Released, tiny_with_ballast

pytestmark = pytest.mark.vm
OLD, NEW = "1.0.0", "1.1.0"
HOME = "/opt/tiny"
FOLDER = "/srv/driven"
UNINSTALL = ["uninstall", "--home", HOME]
# What a machine has an answer to within, from the end of its boot.
SECONDS = 60
SEED = int(os.environ.get("POWER_SEED", "1"))
CUTS = int(os.environ.get("POWER_CUTS", "6"))
UPGRADE = (
    "after:stage",
    "after:open",
    "after:arm",
    "after:switch",
    "after:configure",
    "after:start",
    "during:watch",
    "after:commit",
    "after:record",
    "after:disarm",
    "before:close",
)
# Not in the middle of anything: what agentctl said is done stays done.
DONE = "the end"
INSTALL = ("after:stage", "after:switch", "after:configure", "after:start", DONE)
_LOOK = Path(__file__).parent.parent / "support" / "look.py"


@dataclass(frozen=True)
class Row:
    """One cut: what the machine came back with, and when it answered, in seconds."""

    verb: str
    point: str
    writeback: Writeback
    booted: float
    answered: float | None
    settled: float | None
    version: str
    outcome: str


@dataclass
class Scene:
    """The machine, what it is offered, and what was seen of it."""

    machine: Machine
    driven: Driven
    offers: dict[str, list[str]]
    rows: list[Row] = field(default_factory=list)
    runs: str | None = None

    def must(self, verb: list[str]) -> None:
        done = self.driven.run(verb, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    def look(self, seconds: float) -> dict[str, Any]:
        argv = ["python3", f"{FOLDER}/look.py", f"{FOLDER}/agentctl", HOME, f"{seconds}"]
        done = self.machine.run(argv, user="root", timeout=seconds + 120)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def next(self) -> tuple[str, str]:
        """See to it that a version runs; gives it, and the one to upgrade to.

        That one is to be staged like one that was never here.
        """
        if not self.machine.is_on():
            self.machine.start()
            self.runs = None
        before = self.runs or self.look(0)["version"]
        if before is None:
            self.must(self.offers[OLD])
            before = OLD
        after = NEW if before == OLD else OLD
        self.machine.run(["rm", "-rf", f"{HOME}/releases/{after}"], user="root")
        self.runs = None
        return before, after

    def cut(self) -> Writeback:
        """Cut the power and give it back; unsynced data fares differently the next time."""
        self.machine.kill()
        lost = self.machine.writeback
        self.machine.writeback = next(other for other in Writeback if other is not lost)
        self.machine.start()
        return lost

    def note(self, verb: str, point: str, lost: Writeback, found: dict[str, Any]) -> None:
        state = found["state"] or {}
        row = Row(
            verb,
            point,
            lost,
            found["multi_user"],
            found["answered"],
            found["settled"],
            found["version"] or "none",
            state.get("outcome", "none"),
        )
        self.rows.append(row)
        say([row])

    def whole(self, found: dict[str, Any]) -> None:
        """Nothing that is half can be seen, whatever was lost."""
        assert found["half"] == []
        assert found["damaged"] == []
        assert found["empty"] == []

    def came_back(self, verb: str, point: str, lost: Writeback, before: str, after: str) -> None:
        """One whole version runs in time, and what is noted of it is true."""
        found = self.look(SECONDS + 60)
        self.note(verb, point, lost, found)
        self.whole(found)
        version, state = found["version"], found["state"]
        assert version in (before, after), self.journal()
        assert version == found["link"] == state["version"], found
        assert found["processes"] == 1, found
        # The boot itself takes what it takes, much more without KVM; from its end on it counts.
        assert found["answered"] - found["multi_user"] < SECONDS, found
        assert found["settled"] is not None, self.journal()
        last = found["history"][-1]
        assert state["outcome"] in ("running", "reverted"), found
        if state["outcome"] == "reverted":
            assert (last["what"], last["version"], last["before"]) == ("reverted", after, before)
            assert "host was started anew" in last["reason"], last
            assert state["failed"] == {}, state
        else:
            assert last["what"] in ("installed", "upgraded", "reverted"), last
            assert last["version"] == version, last

    def completes(self, verb: list[str], version: str) -> None:
        """The same call, made again, ends well and leaves nothing over."""
        self.must(verb)
        found = self.look(10)
        self.whole(found)
        state = found["state"]
        assert (found["version"], found["link"], state["version"]) == (version,) * 3, found
        assert (state["outcome"], found["processes"]) == ("running", 1), found
        self.runs = version
        units = "/etc/systemd/system"
        left = f"ls -d {HOME}/.trial.new {units}/*revert* {units}/*/*revert* {units}/*.was"
        assert self.machine.run(["sh", "-c", left], check=False).stdout == ""

    def journal(self) -> str:
        """Give the end of the machine's journal."""
        argv = ["journalctl", "--no-pager", "--boot", "--lines", "60", "--unit", "tiny*"]
        return self.machine.run(argv, user="root", check=False).stdout


def say(rows: Sequence[Row]) -> None:
    for row in rows:
        times = [f"{value:.1f}" if value else "-" for value in (row.booted, row.answered)]
        settled = f"{row.settled:.1f}" if row.settled else "-"
        words = (row.verb, row.point, row.writeback.name, *times, settled, row.version, row.outcome)
        sys.stderr.write(f"| {' | '.join(words)} |\n")


@pytest.fixture(scope="module")
def scene(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    driven = Driven.on(machine, "tiny")
    machine.put(_LOOK, f"{FOLDER}/look.py", owner="root")
    offers = {}
    for version in (OLD, NEW):
        work = tmp_path_factory.mktemp("release")
        offers[version] = driven.offer(released(work, version))
    # What the tests themselves need is no part of what may be lost.
    machine.run(["sync"])
    made = Scene(machine, driven, offers)
    yield made
    sys.stderr.write(f"\n{machine.accelerator}; seconds since the kernel began\n")
    sys.stderr.write("| verb | cut | not synced | booted | answered | settled | runs | state |\n")
    say(made.rows)


def released(work: Path, version: str) -> Released:
    return tiny_with_ballast(work / "project", work / "dist", version=version)


@pytest.mark.parametrize("point", INSTALL)
def test_install(scene: Scene, point: str) -> None:
    scene.runs = None
    if not scene.machine.is_on():
        scene.machine.start()
    if scene.look(0)["state"]:
        scene.must(UNINSTALL)
        scene.machine.run(["sync"])
    if point == DONE:
        # Else the kernel syncs within a second what agentctl did not.
        scene.machine.lose(Writeback.NOTHING)
        scene.must(scene.offers[OLD])
    else:
        assert scene.driven.held(point, scene.offers[OLD]), point
    lost = scene.cut()
    found = scene.look(SECONDS if point == DONE else 0)
    scene.note("install", point, lost, found)
    scene.whole(found)
    state = found["state"]
    if point == DONE:
        assert (found["version"], state["outcome"]) == (OLD, "running"), found
    else:
        assert found["version"] in (None, OLD)
        assert state is None or state["outcome"] == "installing", found
    scene.completes(scene.offers[OLD], OLD)


@pytest.mark.parametrize("point", UPGRADE)
def test_upgrade(scene: Scene, point: str) -> None:
    before, after = scene.next()
    when, _, step = point.partition(":")
    if when == "during":
        assert scene.driven.begun(step, scene.offers[after])
        time.sleep(1)
    else:
        assert scene.driven.held(point, scene.offers[after]), point
    lost = scene.cut()
    scene.came_back("upgrade", point, lost, before, after)
    scene.completes(scene.offers[after], after)


@dataclass(frozen=True)
class Course:
    """An upgrade under way, and the steps that it has begun."""

    steps: list[str]
    listener: threading.Thread

    @classmethod
    def of(cls, driven: Driven, verb: list[str]) -> Course:
        process = driven.start(verb)
        steps = ["start"]

        def listen() -> None:
            for line in process.stdout or ():
                if line.startswith("step: "):
                    steps.append(line.strip().removeprefix("step: "))
            process.wait()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        return cls(steps, thread)


@pytest.fixture(scope="module")
def lasts(scene: Scene) -> float:
    """How many seconds an upgrade takes."""
    _, after = scene.next()
    began = time.monotonic()
    course = Course.of(scene.driven, scene.offers[after])
    course.listener.join(timeout=600)
    took = time.monotonic() - began
    assert course.steps[-1] == "prune", course.steps
    return took


@pytest.mark.parametrize("number", range(CUTS))
def test_any_instant(scene: Scene, lasts: float, number: int) -> None:
    before, after = scene.next()
    instant = random.Random(f"{SEED} {number}").uniform(0, lasts)
    course = Course.of(scene.driven, scene.offers[after])
    time.sleep(instant)
    scene.machine.kill()
    course.listener.join(timeout=30)
    point = f"{instant:.2f} s, in {course.steps[-1]}"
    lost = scene.cut()
    scene.came_back("upgrade", point, lost, before, after)
    scene.completes(scene.offers[after], after)
