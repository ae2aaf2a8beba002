"""What `toolkit fleet` asks of a host, tried on folders of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from toolkit.cli.fleet.options import exit_code
from toolkit.probe import drift, fleet


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()
        self.wfile.write(b"x" * 300_000)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_tries_a_page(address: str) -> None:
    assert fleet._answers(f"http://{address}/well") is None
    assert "answered 503" in str(fleet._answers(f"http://{address}/ill"))
    assert "did not answer" in str(fleet._answers("http://127.0.0.1:1/"))


def test_tries_a_port(address: str) -> None:
    assert fleet._connects(address) is None
    assert "took no connection" in str(fleet._connects("127.0.0.1:1"))


def put(home: Path, manager: str = "systemd", **state: object) -> None:
    known = {"name": "tiny", "service": "tiny", "version": "1.0.0", "manager": manager}
    home.mkdir()
    (home / "state.json").write_text(json.dumps({**known, **state}), encoding="utf-8")


def test_nothing_is_installed(tmp_path: Path) -> None:
    found = fleet.status({"service": "tiny", "home": str(tmp_path / "none")})
    assert (found["installed"], found["fault"]) == (False, "not installed")
    put(tmp_path / "gone", outcome="uninstalled")
    assert fleet.status({"service": "tiny", "home": str(tmp_path / "gone")})["installed"] is False


def test_a_damaged_state_is_said(tmp_path: Path) -> None:
    put(tmp_path / "home")
    (tmp_path / "home" / "state.json").write_text("{", encoding="utf-8")
    found = fleet.status({"service": "tiny", "home": str(tmp_path / "home")})
    assert (found["healthy"], found["fault"]) == (False, "state.json is damaged")


def test_what_is_not_simple_is_asked_of_agentctl(tmp_path: Path) -> None:
    home = tmp_path / "home"
    put(home, "direct")
    said = {"version": "1.0.0", "running": True, "healthy": True, "fault": None, "secret": 1}
    (home / "agentctl").write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n", encoding="utf-8")
    (home / "agentctl").chmod(0o755)
    found = fleet.status({"service": "tiny", "home": str(home)})
    assert found["healthy"] is True
    assert "secret" not in found


def test_a_trial_is_named(tmp_path: Path) -> None:
    trial = tmp_path / "trial"
    trial.mkdir()
    (trial / "trial.json").write_text('{"version": "2.0"}', encoding="utf-8")
    assert fleet._on_trial(str(tmp_path)) is None
    (trial / fleet.OPEN).touch()
    assert fleet._on_trial(str(tmp_path)) == "2.0"


def test_runs_commands() -> None:
    assert fleet.execute({"argv": ["echo one; exit 3"]})["code"] == 3
    assert fleet.execute({"argv": ["echo", "a  b"]})["stdout"] == "a  b\n"
    assert fleet.execute({"argv": ["no-such-program", "x"]})["code"] == 127
    assert fleet.execute({"argv": ["sleep", "9"], "seconds": 0.2})["code"] == 124
    much = fleet.execute({"argv": ["head -c 1100000 /dev/zero | tr '\\0' x"]})["stdout"]
    assert len(much) < 1_100_000
    assert much.startswith("[the first ")


def test_finds_files_that_are_not_as_released(tmp_path: Path) -> None:
    (tmp_path / "same").write_text("same")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "made").touch()
    (tmp_path / "link").symlink_to("same")
    digest = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"
    rows = [
        {"path": "same", "mode": "0644", "size": 4, "sha256": digest},
        {"path": "link", "link": "same"},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"files": rows}), encoding="utf-8")
    assert drift.drift_fact(tmp_path)["count"] == 0

    (tmp_path / "same").write_text("diff")
    (tmp_path / "link").unlink()
    (tmp_path / "more").touch()
    found = drift.drift_fact(tmp_path)
    assert (found["changed"], found["missing"], found["added"]) == (["same"], ["link"], ["more"])
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    assert "can't be read" in drift.drift_fact(tmp_path)["problem"]


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (1, 201), (49, 249), (50, 250), (999, 250)])
def test_the_exit_code_counts(failed: int, code: int) -> None:
    assert exit_code(failed) == code
