"""The wheel carries all that toolkit needs: installed elsewhere, it works from any folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.releases import TOP

pytestmark = pytest.mark.network


def run(*argv: str, cwd: Path) -> str:
    done = subprocess.run(
        argv, cwd=cwd, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_installed_toolkit_works_from_any_folder(tmp_path: Path) -> None:
    built, away = tmp_path / "dist", tmp_path / "away"
    away.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(built), str(TOP)], check=True
    )
    (wheel,) = built.iterdir()
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(venv), cwd=away)
    requirements = TOP / "requirements" / "runtime.txt"
    for what in (["--require-hashes", "-r", str(requirements)], ["--no-deps", str(wheel)]):
        subprocess.run(
            [*pip, "--python", str(venv / "bin" / "python"), "install", *what], check=True
        )
    toolkit = str(venv / "bin" / "toolkit")

    assert "toolkit, version" in run(toolkit, "--version", cwd=away)
    assert "ExecStart=" in run(toolkit, "render", "systemd", "glances", cwd=away)
    assert '"$schema"' in run(toolkit, "schema", cwd=away)
    (away / "package.json").write_text('{"name": "@me/my-bot", "version": "2.1.0"}', "utf-8")
    assert "release/my-bot.toml" in run(toolkit, "init", cwd=away)
    printed = run(toolkit, "release", "glances", "--platform", "linux-x64", "--json", cwd=away)
    assert (away / "release" / "dist" / "glances-v4.5.8-linux-x64.tar.gz").exists(), printed
