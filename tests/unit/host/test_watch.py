"""When a version on trial stays, and whose fault it is when it does not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.controller import Controller as Server
from toolkit.host.accounts import this_account
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Process
from toolkit.host.release import Controller, Health, Release, Runtime, Service
from toolkit.host.trial import Trial, begin_revert, open_trial
from toolkit.host.watch import Failed, Terms, heard_before, terms, watch

TRIAL = Trial("upgrade", "2.0", "ab" * 32, "1.0", "systemd", "2026-11-21T00:00:00+00:00", 70)
TERMS = Terms(window=0.3, timeout=0.5, restarts=1)
RELEASE = Release(
    "tiny",
    "Tiny",
    "2.0",
    None,
    Runtime("none", "", bundled=False),
    Service("tiny", ("/bin/true",), None, "{home}", {}, (), ("TOKEN",), 1, None, ("direct",)),
    Health("none", (), timeout=1, interval=0.01),
)


class Manager:
    """Shows the processes that it was given, one a look; the last for ever."""

    name = "direct"

    def __init__(self, *processes: Process) -> None:
        self._processes = itertools.chain(processes, itertools.repeat(processes[-1]))

    def process(self, installation: Installation) -> Process:
        return next(self._processes)

    def logs(self, installation: Installation, lines: int) -> str:
        return "the last line"


def alive(pid: int = 7, restarts: int = 0) -> Process:
    return Process(True, pid, restarts, "active (running)")


DEAD = Process(False, None, 0, "activating (auto-restart)")


@pytest.fixture
def new(tmp_path: Path) -> Installation:
    layout = Layout(tmp_path / "tiny")
    for version in ("1.0", "2.0"):
        layout.release(version).mkdir(parents=True)
    layout.current.symlink_to("releases/1.0")
    layout.env.write_text("TOKEN=secret-token\n", "utf-8")
    open_trial(layout, TRIAL)
    return Installation(RELEASE, layout, this_account())


def run(
    manager: Manager, new: Installation, asked: Terms = TERMS, heard: str | None = None
) -> None:
    watch(manager, new, asked, heard, lambda _: None)  # type: ignore[arg-type] # as far as asked


def test_what_holds_for_the_window_stays(new: Installation) -> None:
    run(Manager(alive()), new)


def test_one_restart_begins_the_window_anew(new: Installation) -> None:
    run(Manager(*[alive()] * 5, DEAD, alive(8, 1)), new)


def test_more_restarts_than_allowed_are_its_own_fault(new: Installation) -> None:
    with pytest.raises(Failed, match="restarted 2 times") as failed:
        run(Manager(alive(), DEAD, alive(8, 1), alive(9, 2)), new)
    assert (failed.value.own, failed.value.why) == (True, "unhealthy")
    assert failed.value.log == "the last line"


def test_a_process_that_never_runs_is_its_own_fault(new: Installation) -> None:
    with pytest.raises(Failed, match="its process does not run: activating") as failed:
        run(Manager(DEAD), new)
    assert failed.value.own


def test_a_process_that_keeps_changing_never_holds(new: Installation) -> None:
    processes = [alive(pid) for pid in range(10_000)]
    with pytest.raises(Failed, match="its process kept changing"):
        run(Manager(*processes), new)


def test_what_systemd_has_ended_is_over(new: Installation) -> None:
    begin_revert(new.layout, "failed")
    with pytest.raises(Failed, match="its process ended more than 2 times") as failed:
        run(Manager(alive()), new)
    assert failed.value.why == "failed"


def test_a_full_disk_is_not_its_fault(new: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.host.watch.ROOM", 1 << 62)
    with pytest.raises(Failed, match="the disk is full, and its process does not run") as failed:
        run(Manager(DEAD), new)
    assert not failed.value.own


def test_a_window_of_one_call_goes_before_the_release_s() -> None:
    assert terms(RELEASE.health, 5).window == 5
    assert terms(RELEASE.health, None).window == 60
    assert terms(None, None).seconds == 60 + 30 + 10


@pytest.fixture
def server() -> Iterator[Server]:
    with Server("127.0.0.1", "secret-token") as server:
        yield server


def heard(new: Installation, server: Server, *, url: str = "") -> Installation:
    assert RELEASE.health is not None
    gate = Controller(url or server.url, "TOKEN", beats=2, patience=1)
    health = replace(RELEASE.health, controller=gate)
    return replace(new, release=replace(RELEASE, health=health))


def test_the_controller_must_have_heard_from_it_since(new: Installation, server: Server) -> None:
    installation = heard(new, server)
    server.beat("2.0")
    server.beat("2.0")
    before = heard_before(installation)
    with pytest.raises(Failed, match=r"the controller saw 0 of 2 heartbeats of 2\.0") as failed:
        run(Manager(alive()), installation, heard=before)
    assert failed.value.own
    for version in ("2.0", "1.0", "2.0"):
        server.beat(version)
    run(Manager(alive()), installation, heard=before)


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_controller_that_can_t_be_asked_condemns_nothing(
    status: int, new: Installation, server: Server
) -> None:
    installation = heard(new, server)
    server.answer = status
    with pytest.raises(Failed, match=f"the controller 127.0.0.1 answered {status}") as failed:
        run(Manager(alive()), installation, Terms(0.1, 0.1, 1, patience=0.3))
    assert not failed.value.own
    assert "secret-token" not in str(failed.value)


def test_a_controller_that_is_not_there_condemns_nothing(new: Installation, server: Server) -> None:
    installation = heard(new, server, url="http://127.0.0.1:9/beats")
    assert heard_before(installation) is None
    with pytest.raises(Failed, match=r"the controller 127\.0\.0\.1 did not answer") as failed:
        run(Manager(alive()), installation, Terms(0.1, 0.1, 1, patience=0.3))
    assert not failed.value.own
