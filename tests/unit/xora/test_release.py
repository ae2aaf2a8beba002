"""What agentctl left beside the agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xora_agent
from xora_agent.release import last_upgrade, running_version


def test_the_version_is_that_of_the_folder_the_code_is_in(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        folder = tmp_path / "releases" / version
        (folder / "toolkit").mkdir(parents=True)
        (folder / "venv").mkdir()
        (folder / "toolkit" / "release.json").write_text(json.dumps({"version": version}))
    current = tmp_path / "current"
    current.symlink_to("releases/2.0.0")
    one = tmp_path / "releases" / "1.0.0" / "venv"
    assert running_version("", tmp_path, one) == "1.0.0"
    assert running_version("", tmp_path, current / "venv") == "2.0.0"
    assert running_version("3.0.0", tmp_path, one) == "3.0.0"
    assert running_version("", tmp_path, tmp_path / "elsewhere") == "2.0.0"
    current.unlink()
    assert running_version("", tmp_path, tmp_path / "elsewhere") == xora_agent.__version__


def test_the_last_upgrade_is_what_state_json_says(tmp_path: Path) -> None:
    state = {
        "outcome": "reverted",
        "version": "1.0.0",
        "previous": None,
        "reason": "1.1.0 was tried and taken back:\nunhealthy",
        "at": "2026-11-21T10:00:00Z",
        "schema": 9,
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert last_upgrade(tmp_path) == {
        "outcome": "reverted",
        "version": "1.0.0",
        "fromVersion": "",
        "why": "1.1.0 was tried and taken back: unhealthy",
        "at": "2026-11-21T10:00:00Z",
    }


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"outcome": 1}', '{"outcome": ""}', "[" * 100_000, "\udc80"]
)
def test_a_state_that_cannot_be_read_says_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert last_upgrade(tmp_path) is None


def test_a_time_that_is_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"outcome": "running", "at": "yesterday"}')
    assert "at" not in (last_upgrade(tmp_path) or {})
