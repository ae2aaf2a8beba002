"""What is noted of a trial, and that only one of keeping and going back can win."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolkit.host.accounts import this_account
from toolkit.host.history import MOST, Event, note, read_history
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation
from toolkit.host.prune import prune
from toolkit.host.release import Release, Runtime, Service
from toolkit.host.state import State
from toolkit.host.systemd import SYSTEM
from toolkit.host.systemd_guard import SystemdGuard
from toolkit.host.trial import (
    Standing,
    Trial,
    begin_revert,
    close_trial,
    commit,
    end_revert,
    open_trial,
    read_trial,
    restore,
    standing,
)

TRIAL = Trial("upgrade", "2.0", "ab" * 32, "1.0", "systemd", "2026-11-21T00:00:00+00:00", 70)
RELEASE = Release(
    "tiny",
    "Tiny",
    "1.0",
    None,
    Runtime("none", "", bundled=False),
    Service("tiny", ("/bin/true",), None, "{home}", {}, (), (), 1, None, ("systemd",)),
    None,
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A service that runs 1.0 and has 2.0 beside it."""
    layout = Layout(tmp_path / "tiny")
    for version in ("1.0", "2.0"):
        layout.release(version).mkdir(parents=True)
        layout.marker(version).write_text("ab" * 32 + "\n", "ascii")
    layout.current.symlink_to("releases/1.0")
    layout.env.write_text("A=1\n", "utf-8")
    return layout


def switch(layout: Layout) -> None:
    """Do what an upgrade does to the folder."""
    new = layout.home / "new"
    new.write_text("A=2\n", "utf-8")
    new.replace(layout.env)
    layout.current.unlink()
    layout.current.symlink_to("releases/2.0")


def test_what_was_noted_comes_back(layout: Layout) -> None:
    open_trial(layout, TRIAL)
    assert read_trial(layout) == TRIAL
    assert standing(layout) == Standing("armed")
    switch(layout)
    assert begin_revert(layout, "unhealthy")
    restore(layout)
    restore(layout)
    end_revert(layout)
    assert standing(layout) == Standing("reverted", "unhealthy")
    assert layout.running_version() == "1.0"
    assert layout.env.read_text("utf-8") == "A=1\n"
    close_trial(layout)
    assert read_trial(layout) is None
    assert sorted(path.name for path in layout.home.iterdir()) == [".env", "current", "releases"]


def test_only_one_of_keeping_and_going_back_wins(layout: Layout) -> None:
    open_trial(layout, TRIAL)
    assert commit(layout)
    assert not begin_revert(layout, "expired")
    assert standing(layout) == Standing("committed")
    close_trial(layout)
    open_trial(layout, TRIAL)
    assert begin_revert(layout, "expired")
    assert not commit(layout)
    assert standing(layout) == Standing("reverting", "expired")


def test_a_trial_that_was_half_noted_counts_for_nothing(layout: Layout) -> None:
    (layout.home / ".trial.new" / "was").mkdir(parents=True)
    assert read_trial(layout) is None
    open_trial(layout, TRIAL)
    assert standing(layout) == Standing("armed")


@pytest.fixture
def script(layout: Layout, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The script that systemd runs, armed, with a systemctl that writes down its calls."""
    units, programs = tmp_path / "units", tmp_path / "bin"
    for folder in (units / "tiny.service.d", programs):
        folder.mkdir(parents=True)
    (units / "tiny.service").write_text("old", "utf-8")
    systemctl = programs / "systemctl"
    says = f'cat {tmp_path}/"$2" 2>/dev/null; exit 0'
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n{says}\n', "utf-8")
    systemctl.chmod(0o755)
    open_trial(layout, TRIAL)
    path = f"{programs}:/usr/bin:/bin"
    guard = SystemdGuard(SYSTEM, units, "multi-user.target")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("toolkit.host.commands.SYSTEM_PATH", path)
        guard.arm(TRIAL, Installation(RELEASE, layout, this_account()), restarts=1)
    return layout.trial / "revert", {"PATH": path}


def run_script(script: tuple[Path, dict[str, str]], why: str) -> int:
    return subprocess.run(["sh", script[0], why], env=script[1], check=False).returncode


def write_anew(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(path)


def test_the_script_brings_all_of_the_old_version_back(
    layout: Layout, script: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    switch(layout)
    units = tmp_path / "units"
    write_anew(units / "tiny.service", "new")
    write_anew(units / "tiny.service.d" / "10-host.conf", "new")
    (tmp_path / "calls").unlink()
    assert run_script(script, "failed") == 0
    assert layout.running_version() == "1.0"
    assert layout.env.read_text("utf-8") == "A=1\n"
    assert (units / "tiny.service").read_text("utf-8") == "old"
    assert list((units / "tiny.service.d").iterdir()) == []
    assert standing(layout) == Standing("reverted", "failed")
    assert (tmp_path / "calls").read_text("utf-8").splitlines() == [
        "show --property=Job --value tiny.service",
        "show --property=NRestarts --value tiny.service",
        "daemon-reload",
        "reset-failed tiny.service",
        "--no-block restart tiny.service",
    ]
    assert run_script(script, "expired") == 0
    assert standing(layout) == Standing("reverted", "failed")


@dataclass(frozen=True)
class Case:
    """What the script is called with, what systemd shows, what is noted, and what is started."""

    why: str
    shown: dict[str, str]
    ended: str
    started: bool = True


ALWAYS = {"Restart": "always"}
CASES = [
    Case("failed", {"NRestarts": "2"}, "failed"),
    Case("failed", {"NRestarts": "1"}, "disturbed"),
    Case("failed", {"NRestarts": "0"}, "disturbed"),
    Case("expired", {**ALWAYS, "ActiveState": "active"}, "expired"),
    Case("expired", {**ALWAYS, "ActiveState": "failed"}, "expired"),
    Case("expired", {**ALWAYS, "ActiveState": "inactive"}, "halted", started=False),
    Case("expired", {**ALWAYS, "ActiveState": "inactive", "Job": "7"}, "expired"),
    Case("expired", {"Restart": "no", "ActiveState": "inactive"}, "expired"),
    Case("unstarted", {**ALWAYS, "ActiveState": "inactive"}, "unstarted"),
    Case("unstarted", {"Job": "7"}, "", started=False),
    Case("failed", {"NRestarts": "2", "Job": "7"}, "", started=False),
    Case("halted", {}, "halted", started=False),
]


@pytest.mark.parametrize("case", CASES)
def test_the_script_tells_what_somebody_did_from_what_the_version_did(
    case: Case, layout: Layout, script: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    switch(layout)
    for name, value in case.shown.items():
        (tmp_path / f"--property={name}").write_text(f"{value}\n", "utf-8")
    assert run_script(script, case.why) == 0
    ended = Standing("reverted", case.ended) if case.ended else Standing("armed")
    assert standing(layout) == ended
    assert layout.running_version() == ("1.0" if case.ended else "2.0")
    calls = (tmp_path / "calls").read_text("utf-8")
    assert ("--no-block restart tiny.service" in calls) == case.started


def test_the_unit_that_comes_back_is_not_what_was_written_into_meanwhile(
    layout: Layout, script: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    with (tmp_path / "units" / "tiny.service").open("a", encoding="utf-8") as file:
        file.write("# by an editor that writes into the file")
    assert run_script(script, "expired") == 0
    assert (tmp_path / "units" / "tiny.service").read_text("utf-8") == "old"


def test_the_script_goes_on_where_it_was_cut_off(
    layout: Layout, script: tuple[Path, dict[str, str]]
) -> None:
    switch(layout)
    begin_revert(layout, "failed")
    (layout.trial / "was" / "env").replace(layout.env)
    assert run_script(script, "rebooted") == 0
    assert layout.running_version() == "1.0"
    assert standing(layout) == Standing("reverted", "failed")


def test_the_script_leaves_a_version_that_was_kept(
    layout: Layout, script: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    switch(layout)
    commit(layout)
    (tmp_path / "calls").unlink()
    assert run_script(script, "expired") == 0
    assert layout.running_version() == "2.0"
    assert not (tmp_path / "calls").exists()


def test_disarming_leaves_nothing_but_the_service(
    layout: Layout, script: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("toolkit.host.commands.SYSTEM_PATH", script[1]["PATH"])
        SystemdGuard(SYSTEM, tmp_path / "units", "multi-user.target").disarm(layout, "tiny")
        SystemdGuard(SYSTEM, tmp_path / "units", "multi-user.target").disarm(layout, "tiny")
    left = [path for path in (tmp_path / "units").rglob("*") if not path.is_dir()]
    assert [path.name for path in left] == ["tiny.service"]


def test_history_keeps_the_order_and_says_nothing_twice(layout: Layout) -> None:
    first = Event("2026-11-21T00:00:00+00:00", "installed", "1.0", "its health gate held")
    note(layout, first)
    note(layout, first)
    layout.history.write_text(layout.history.read_text("utf-8") + '{"cut', "utf-8")
    second = Event("2026-11-21T01:00:00+00:00", "upgraded", "2.0", "it held", "1.0")
    note(layout, second)
    assert read_history(layout) == [first, second]


def test_history_does_not_grow_for_ever(layout: Layout) -> None:
    lines = '{"at": "", "what": "changed", "version": "1.0", "reason": "r"}\n' * MOST
    layout.history.write_text(lines, "utf-8")
    note(layout, Event("", "installed", "2.0", "r"))
    assert len(read_history(layout)) == MOST


def state(version: str, previous: str | None) -> State:
    return State(
        name="tiny",
        service="tiny",
        version=version,
        platform="linux-x64",
        manager="systemd",
        user="root",
        created_user=False,
        home="/opt/tiny",
        sha256="ab",
        outcome="running",
        reason="",
        at="",
        previous=previous,
    )


@pytest.mark.parametrize(
    ("keep", "left"),
    [(1, ["1.0", "2.0"]), (3, ["1.0", "2.0", "5.0"]), (9, ["1.0", "2.0", "3.0", "4.0", "5.0"])],
)
def test_what_runs_and_what_ran_stay_however_few_are_kept(
    keep: int, left: list[str], layout: Layout
) -> None:
    for version in ("3.0", "4.0", "5.0"):
        layout.release(version).mkdir()
        layout.marker(version).write_text("cd\n", "ascii")
    (layout.release("3.0") / "sub").mkdir()
    (layout.release("3.0") / "sub").chmod(0o555)
    prune(layout, state("1.0", "2.0"), keep)
    assert sorted(path.name for path in layout.releases.iterdir()) == left
