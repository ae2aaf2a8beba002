"""The timer that has a trial ended under managers which can't: written, and gone again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tried import Fake, change, trial
from toolkit.host import reminder
from toolkit.host.layout import Layout
from toolkit.host.reminder import Reminder

NAMES = [
    "multi-user.target.wants/tiny-settle@rebooted.service",
    "tiny-settle@.service",
    "tiny-settle@expired.timer",
]


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Layout) -> Path:
    """A folder of units, on a host with systemd where this is root; systemctl notes its calls."""
    programs, units = tmp_path / "bin", tmp_path / "units"
    for folder in (programs, units):
        folder.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n', "utf-8")
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setattr("toolkit.host.commands.SYSTEM_PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(reminder, "RUNS", tmp_path)
    monkeypatch.setattr(reminder, "default_home", lambda _: str(layout.home))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return units


def found(units: Path) -> list[str]:
    return sorted(str(path.relative_to(units)) for path in units.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("boot", [True, False])
def test_what_is_written_goes_again(
    boot: bool, units: Path, layout: Layout, manager: Fake, tmp_path: Path
) -> None:
    known, old = Reminder(units, boot=boot), change(layout, manager).old
    opened = trial(layout)
    for _ in range(2):
        known.set(opened, old)
    assert found(units) == (NAMES if boot else NAMES[1:])
    unit = (units / "tiny-settle@.service").read_text("utf-8")
    assert f"ExecStart={layout.agentctl} settle --ended %i" in unit
    assert f"After=pm2-{old.account.name}.service" in unit
    assert "OnActiveSec=90\n" in (units / "tiny-settle@expired.timer").read_text("utf-8")
    known.begin("tiny")
    for _ in range(2):
        known.take_away("tiny")
    assert found(units) == []
    calls = (tmp_path / "calls").read_text("utf-8").splitlines()
    assert calls.count("restart tiny-settle@expired.timer") == 3
    assert calls.count("stop tiny-settle@expired.timer") == 1


@pytest.mark.parametrize("lacking", ["systemd", "root", "a folder of the system's"])
def test_no_units_are_written_where_they_can_t_serve(
    lacking: str, units: Path, layout: Layout, manager: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking == "systemd":
        monkeypatch.setattr(reminder, "RUNS", units / "nowhere")
    if lacking == "root":
        monkeypatch.setattr("os.geteuid", lambda: 1000)
    if lacking == "a folder of the system's":
        monkeypatch.setattr(reminder, "default_home", lambda _: "/opt/tiny")
    known = Reminder(units, boot=True)
    known.set(trial(layout), change(layout, manager).old)
    known.begin("tiny")
    known.take_away("tiny")
    assert found(units) == []
