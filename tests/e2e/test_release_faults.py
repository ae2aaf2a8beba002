"""What `toolkit release` says and leaves behind when the machine does not play along."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.need import need

TOP = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "toolkit", "release"]
AGENT = """\
name = "beacon"
title = "A beacon"
source = "src"
version = "1.0.0"
[runtime]
kind = "none"
[service]
exec = ["{current}/run"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An agent with three megabytes that no compression makes smaller."""
    for folder in ("release", "src", "out", "tmp"):
        (tmp_path / folder).mkdir()
    (tmp_path / "release" / "beacon.toml").write_text(AGENT)
    (tmp_path / "src" / "noise").write_bytes(random.Random(1).randbytes(3_000_000))
    return tmp_path


def environment(project: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TOP), "TMPDIR": str(project / "tmp")}


def test_a_full_disk_is_said_and_leaves_no_half_tarball(project: Path) -> None:
    script = 'mount -t tmpfs -o size=1m none out || exit 77; "$@"; code=$?; ls -A out; exit $code'
    private = ["unshare", "--mount", "--user", "--map-root-user", "sh", "-c", script, "sh"]
    done = subprocess.run(
        [*private, *COMMAND, "beacon", "--out", "out"],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    mounted = done.returncode not in {1, 77} or "unshare" not in done.stderr
    need(mounted, f"a private mount is not allowed here: {done.stderr.strip()}")
    assert done.returncode == 5, done.stderr
    assert "there is no room left on the disk" in done.stderr
    assert "--out" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list((project / "tmp").iterdir()) == []


def test_an_interrupt_ends_the_commands_that_it_started(project: Path) -> None:
    file = project / "release" / "beacon.toml"
    file.write_text(
        AGENT + '[build]\ncommands = [["sh", "-c", "echo $$ > ../../pid; sleep 300"]]\n'
    )
    process = subprocess.Popen(
        [*COMMAND, "beacon", "--out", "out"],
        cwd=project,
        env=environment(project),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    note = project / "tmp" / "pid"
    deadline = time.monotonic() + 20
    while not (note.exists() and note.read_text().strip()):
        assert time.monotonic() < deadline, "the build command was not started"
        time.sleep(0.05)
    # A terminal sends Ctrl-C to every process of the group.
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in said
    assert not Path("/proc", note.read_text().strip()).exists()
    assert list((project / "out").iterdir()) == []
    assert list((project / "tmp").iterdir()) == [note]


@pytest.mark.network
def test_a_package_without_a_wheel_is_named(project: Path) -> None:
    lock = project / "release" / "locks" / "beacon" / "requirements.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text(f"windows-curses==2.4.2 --hash=sha256:{'0' * 64}\n")
    changed = AGENT.replace('"none"', '"python"\nminimum = "3.12"').replace(
        'source = "src"', 'source = "pypi:windows-curses==2.4.2"'
    )
    (project / "release" / "beacon.toml").write_text(changed)
    done = subprocess.run(
        [*COMMAND, "beacon", "--platform", "linux-arm64"],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert "windows-curses 2.4.2 has no wheel for CPython 3.12 on linux-arm64" in done.stderr
    assert "raise runtime.minimum" in done.stderr


@pytest.mark.network
def test_a_python_folder_becomes_one_tarball_for_every_platform(project: Path) -> None:
    """Locked with uv, built into a wheel twice, at two times: the same bytes, no sources."""
    source = project / "src"
    (source / "noise").unlink()
    (source / "beacon").mkdir()
    (source / "beacon" / "__init__.py").write_text("def main() -> None:\n    print('here')\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "beacon"\nversion = "1.0.0"\nrequires-python = ">=3.10"\n'
        'dependencies = ["six"]\n[project.scripts]\nbeacon = "beacon:main"\n'
    )
    (project / "release" / "beacon.toml").write_text(AGENT.replace('"none"', '"python"'))
    for words in (["lock", "beacon"], ["release", "beacon"], ["release", "beacon", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "toolkit", *words],
            cwd=project,
            env=environment(project),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert '"replaced": false' in done.stdout
    assert '"platform": null' in done.stdout
    locks = project / "release" / "locks" / "beacon"
    assert "hatchling==" in (locks / "build-requirements.txt").read_text()
    assert "--hash=sha256:" in (locks / "requirements.txt").read_text()
    tarball = project / "release" / "dist" / "beacon-v1.0.0.tar.gz"
    names = subprocess.check_output(["tar", "-tzf", tarball], text=True).split()
    wheels = [name for name in names if name.endswith(".whl")]
    assert wheels[0] == "wheels/beacon-1.0.0-py3-none-any.whl"
    assert wheels[1].startswith("wheels/six-")
    assert not [name for name in names if name.endswith(".py")]
