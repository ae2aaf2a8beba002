"""`toolkit demo --agent glances`: it ends by itself and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.podman import podman
from tests.support.releases import TOP

pytestmark = [pytest.mark.hosts, pytest.mark.network, pytest.mark.either_suite]


def demo(*arguments: str, tmp: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo with a folder of its own for what is temporary."""
    return subprocess.run(
        [sys.executable, "-m", "toolkit", "demo", "--agent", "glances", *arguments],
        cwd=TOP,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": str(tmp)}
        | {"HOME": str(Path.home()), "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def containers() -> list[str]:
    """Give the containers, but for those of tests beside this one."""
    names = podman("ps", "--all", "--format", "{{.Names}}").stdout.splitlines()
    return [name for name in names if not name.startswith("toolkit-test-")]


def agents() -> str:
    """Give the agents of this machine, but for those in containers."""
    here = ("--ns", str(os.getpid()), "--nslist", "pid")
    return subprocess.run(
        ["pgrep", "-af", *here, "glances.*webserver"], capture_output=True, text=True, check=False
    ).stdout


def test_in_a_container_with_systemd(host_image: str, tmp_path: Path) -> None:
    before = containers()
    done = demo("--image", host_image, tmp=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 of 15 checks hold" in done.stdout
    assert (containers(), agents(), list(tmp_path.iterdir())) == (before, "", [])


def test_in_a_folder_of_this_machine(tmp_path: Path) -> None:
    done = demo("--on", "folder", tmp=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 of 13 checks hold" in done.stdout
    assert "It is gone again" in done.stdout
    assert (agents(), list(tmp_path.iterdir())) == ("", [])


def test_keep_leaves_it_running_and_a_second_one_says_why_it_cannot(tmp_path: Path) -> None:
    done = demo("--on", "folder", "--keep", tmp=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = tmp_path.iterdir()
    agentctl = folder / "glances" / "agentctl"
    try:
        with urllib.request.urlopen("http://127.0.0.1:61208/api/4/status", timeout=5) as answer:
            assert answer.status == 200
        second = demo("--on", "folder", tmp=tmp_path)
        assert second.returncode == 9
        assert "port 61208 of this machine is in use" in second.stderr
    finally:
        subprocess.run([sys.executable, str(agentctl), "uninstall"], check=True)
    assert agents() == ""
