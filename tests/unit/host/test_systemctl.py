"""What is read from systemctl's words: who stopped a unit, and that some words can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.host.errors import CommandFailed
from toolkit.host.systemctl import Systemctl

RUNS = (
    "Restart=always\nMainPID=7\nNRestarts=2\nResult=success\nJob=\n"
    "ActiveState=active\nSubState=running\n"
)
RESTS = RUNS.replace("=active", "=inactive").replace("=running", "=dead").replace("=7", "=0")


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what systemctl says to each verb, a file each."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\ncat "{tmp_path}/$1"\n', "utf-8")
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setattr("toolkit.host.commands.SYSTEM_PATH", f"{programs}:/usr/bin:/bin")
    (tmp_path / "is-enabled").write_text("enabled\n", "utf-8")
    (tmp_path / "is-system-running").write_text("running\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("shown", "system", "stopped"),
    [
        (RUNS, "running", False),
        (RESTS, "running", True),
        (RESTS, "degraded", True),
        (RESTS, "stopping", False),
        (RESTS.replace("Job=", "Job=7"), "running", False),
        (RESTS.replace("=always", "=no"), "running", False),
        (RESTS.replace("=inactive", "=failed"), "running", False),
    ],
)
def test_a_unit_that_somebody_stopped(shown: str, system: str, stopped: bool, says: Path) -> None:
    (says / "show").write_text(shown, "utf-8")
    (says / "is-system-running").write_text(system + "\n", "utf-8")
    assert Systemctl().process("tiny.service").stopped == stopped


@pytest.mark.parametrize(
    ("shown", "enabled", "word"),
    [
        ("Job=\nActiveState=inactive\n", "enabled", "stopped"),
        ("ActiveState=inactive\nJob=12\n", "enabled", None),
        ("ActiveState=failed\nJob=\n", "enabled", None),
        ("ActiveState=active\nJob=\n", "disabled", "disabled"),
        ("ActiveState=active\nJob=\n", "enabled-runtime", None),
    ],
)
def test_a_unit_that_was_put_aside(shown: str, enabled: str, word: str | None, says: Path) -> None:
    (says / "show").write_text(shown, "utf-8")
    (says / "is-enabled").write_text(enabled + "\n", "utf-8")
    assert Systemctl().put_aside("tiny.service") == word


@pytest.mark.parametrize("shown", ["", "MainPID\n", RUNS.replace("=7", "=x"), "\ufffd"])
def test_words_that_can_t_be_read_are_a_program_s_failure(shown: str, says: Path) -> None:
    (says / "show").write_text(shown, "utf-8")
    with pytest.raises(CommandFailed, match=r"about tiny\.service can't be read"):
        Systemctl().process("tiny.service")
