"""The demo's controller: found, started with nothing of another's, and told of when it fails."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from toolkit.demo_controller import Controller, controller, find_program, variables
from toolkit.errors import HostError, MissingToolError
from toolkit.loopback import HOST, free_port, in_use
from toolkit.secret import Secret


def program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a shell script stand beside Python for `aiwm-controller`."""
    file = folder / "aiwm-controller"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_settings_of_another_controller_stay_out() -> None:
    given = {"PATH": "/bin", "AIWM_DATABASE_URL": "postgresql://live/aiwm", "AIWM_JWT_SECRET": "x"}
    env = variables(given, Path("/tmp/d"), Path("/tmp/d/releases"), 3305)
    assert env["PATH"] == "/bin"
    assert env["AIWM_DATABASE_URL"] == "sqlite:////tmp/d/aiwm-controller.db"
    assert env["AIWM_PUBLIC_URL"] == "http://127.0.0.1:3305"
    assert "AIWM_JWT_SECRET" not in env


def test_without_the_program_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError) as fault:
        find_program()
    assert "make setup" in fault.value.hint
    assert "--agent glances" in fault.value.hint


def test_an_init_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "echo 'no such module' >&2; exit 1", monkeypatch)
    with pytest.raises(HostError) as fault, controller(tmp_path, tmp_path):
        pass
    assert "no such module" in fault.value.why


def test_a_controller_that_ends_at_once_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serves = """case "$1" in
init) echo '{"token": "t"}';;
*) echo 'address already in use' >&2; exit 1;;
esac"""
    program(tmp_path, serves, monkeypatch)
    with pytest.raises(HostError) as fault, controller(tmp_path, tmp_path):
        pass
    assert fault.value.message == "the controller ended"
    assert "address already in use" in fault.value.why


def test_a_port_in_use_is_left_to_whom_has_it() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert in_use(port)
        other = free_port(port)
    assert other != port
    assert free_port(other) == other


def test_what_it_logged_is_told_where_it_does_not_answer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("the disk is full\n")
    gone = Controller(free_port(0), "owner@example.com", Secret("p"), Secret("t"), log)
    with pytest.raises(HostError) as fault:
        gone.get("/agents")
    assert "did not answer GET /agents" in fault.value.message
    assert "the disk is full" in fault.value.why
