"""The power of a whole machine is cut before and after each step of each verb, and at any instant.

What the machine's programs had not synced is lost, so this shows what containers can't: a rename
that reached the disk before the file's content, or a marker before the files that it vouches for.
POWER_SEED and POWER_CUTS choose the cuts at any instant.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import power
from tests.support.driven import Driven
from tests.support.machine import Machine
from tests.support.power import HOME, NEW, OLD, SECONDS, UNINSTALL, Scene
from tests.support.virtual import Writeback

pytestmark = pytest.mark.vm
SEED = int(os.environ.get("POWER_SEED", "1"))
CUTS = int(os.environ.get("POWER_CUTS", "6"))
ROLLBACK = ["rollback", "--home", HOME]
# Not in the middle of anything: what agentctl said is done stays done.
DONE = "the end"
TRIAL = (
    *("open", "arm", "settings", "switch", "configure", "start", "watch", "commit"),
    *("record", "history", "disarm", "close", "prune", "tidied"),
)
STEPS = {
    "install": ("prepare", "stage", "settings", "switch", "configure", "start", "health"),
    "upgrade": ("prepare", "stage", *TRIAL),
    "rollback": TRIAL,
    "uninstall": (
        *("leave", "remove-current", "remove-releases", "remove-incoming", "remove-run"),
        *("remove-logs", "remove-workspace", "remove-.env", "remove-credentials"),
        *("remove-ecosystem.config.js", "remove-pm2", "remove-trial", "remove-trust"),
        *("remove-store-ca.pem", "remove-store-header", "remove-history.jsonl", "remove-.lock"),
        *("remove-agentctl", "remove-state.json"),
    ),
}


def points(verb: str) -> list[str]:
    """Give where the power is cut; what is lost alternates, so each instant sees both."""
    return [f"{when}:{step}" for step in STEPS[verb] for when in ("before", "after")]


@pytest.fixture(scope="module")
def scene(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with power.scene(machine, tmp_path_factory.mktemp("release")) as made:
        yield made


def test_no_step_is_left_out(scene: Scene) -> None:
    scene.on()
    if scene.look(0)["state"]:
        scene.must(UNINSTALL)
    scene.runs = None
    for verb, words in (
        ("install", scene.offers[OLD]),
        ("upgrade", scene.offers[NEW]),
        ("rollback", ROLLBACK),
        ("uninstall", UNINSTALL),
    ):
        assert tuple(dict.fromkeys(scene.driven.steps(words))) == STEPS[verb], verb


@pytest.mark.parametrize("point", [*points("install"), DONE])
def test_install(scene: Scene, point: str) -> None:
    scene.on()
    if scene.look(0)["state"]:
        scene.must(UNINSTALL)
        scene.machine.run(["sync"])
    scene.runs = None
    reach(scene, point, scene.offers[OLD])
    lost = scene.cut()
    found = scene.look(SECONDS if point == DONE else 0)
    scene.note("install", point, lost, found)
    scene.whole(found)
    state = found["state"]
    if point == DONE:
        assert (found["version"], state["outcome"]) == (OLD, "running"), found
    else:
        assert found["version"] in (None, OLD)
        assert state is None or state["outcome"] in ("installing", "running"), found
    scene.completes(scene.offers[OLD], OLD)


@pytest.mark.parametrize("point", [*points("upgrade"), "during:watch"])
def test_upgrade(scene: Scene, point: str) -> None:
    before, after = scene.next()
    scene.forget(after)
    reach(scene, point, scene.offers[after])
    lost = scene.cut()
    scene.came_back("upgrade", point, lost, before, after)
    scene.completes(scene.offers[after], after)


@pytest.mark.parametrize("point", points("rollback"))
def test_rollback(scene: Scene, point: str) -> None:
    before, after = scene.next()
    state = scene.look(0)["state"]
    if state["previous"] != after or not scene.listed(f"ls {HOME}/releases/{after}/.complete"):
        scene.must(scene.offers[after])
        before, after = after, before
    reach(scene, point, ROLLBACK)
    lost = scene.cut()
    scene.came_back("rollback", point, lost, before, after)
    scene.completes([*ROLLBACK, "--to", after], after)


@pytest.mark.parametrize("point", [*points("uninstall"), DONE])
def test_uninstall(scene: Scene, point: str) -> None:
    scene.next()
    scene.machine.run(["sync"])
    reach(scene, point, UNINSTALL)
    lost = scene.cut()
    found = scene.look(0)
    scene.note("uninstall", point, lost, found)
    scene.whole(found)
    if point != DONE and scene.listed(f"ls -d {HOME}"):
        scene.must(UNINSTALL)
    scene.gone()


def reach(scene: Scene, point: str, verb: list[str]) -> None:
    """Have agentctl come to `point`, where it stands still."""
    when, _, step = point.partition(":")
    if point == DONE:
        # Else the kernel syncs within a second what agentctl did not.
        scene.machine.lose(Writeback.NOTHING)
        scene.must(verb)
    elif when == "during":
        assert scene.driven.begun(step, verb)
        time.sleep(1)
    else:
        assert scene.driven.held(point, verb), point


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
    scene.forget(after)
    began = time.monotonic()
    course = Course.of(scene.driven, scene.offers[after])
    course.listener.join(timeout=600)
    took = time.monotonic() - began
    assert course.steps[-1] == STEPS["upgrade"][-1], course.steps
    return took


@pytest.mark.parametrize("number", range(CUTS))
def test_any_instant(scene: Scene, lasts: float, number: int) -> None:
    before, after = scene.next()
    scene.forget(after)
    instant = random.Random(f"{SEED} {number}").uniform(0, lasts)
    course = Course.of(scene.driven, scene.offers[after])
    time.sleep(instant)
    scene.machine.kill()
    course.listener.join(timeout=30)
    point = f"{instant:.2f} s, in {course.steps[-1]}"
    lost = scene.cut()
    scene.came_back("upgrade", point, lost, before, after)
    scene.completes(scene.offers[after], after)
