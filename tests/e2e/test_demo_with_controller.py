"""`toolkit demo`: an agent online in its controller, in a container and in a folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.browser import browser
from tests.support.podman import podman
from tests.support.releases import TOP

pytestmark = [pytest.mark.hosts, pytest.mark.network, pytest.mark.one_suite]
SECONDS = 500


def environment(tmp: Path) -> dict[str, str]:
    """Give a folder of its own for what is temporary, and another controller's settings."""
    return {
        **os.environ,
        "PYTHONPATH": str(TOP),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(tmp),
        "AIWM_DATABASE_URL": "sqlite:////nowhere/of-somebody-else.db",
        "AIWM_AGENT_ID": "somebody-else",
    }


@contextmanager
def demo(*arguments: str, tmp: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the demo in a process group of its own; it ends with the block at the latest."""
    with subprocess.Popen(
        [sys.executable, "-m", "toolkit", "demo", *arguments],
        cwd=TOP,
        env=environment(tmp),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(120)


def until(process: subprocess.Popen[str], sign: str) -> str:
    """Read what it says up to the line with `sign`."""
    said = ""
    for line in process.stdout or ():
        said += line
        if sign in line:
            return said
    raise AssertionError(f"never said: {sign}\n{said}")


def processes(tmp: Path) -> list[str]:
    """Give what runs with `tmp` in its words or as its folder, or in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes()
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has just ended, or is somebody else's
        if str(tmp).encode() in environ + words:
            found.append(words.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


def containers() -> list[str]:
    names = podman("ps", "--all", "--format", "{{.Names}}").stdout.splitlines()
    return [name for name in names if not name.startswith("toolkit-test-")]


@pytest.mark.parametrize("agent", ["xora-vercel-agent", "xora-cc-agent"])
def test_in_a_container_with_systemd(agent: str, host_image: str, tmp_path: Path) -> None:
    before = containers()
    words = ("--agent", agent, "--image", host_image, "--on", "container")
    with demo(*words, tmp=tmp_path) as process:
        said = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 0, said
    assert re.search(r"(\d+) of \1 checks hold", said), said
    assert re.search(r"demo-agent\s.*online\s.*0\.1\.0\s.*\d s ago", said), said
    assert (containers(), processes(tmp_path), list(tmp_path.iterdir())) == (before, [], [])


def test_a_person_looks_around_and_ends_it(tmp_path: Path) -> None:
    demo_folder, chromium = tmp_path / "demo", tmp_path / "chromium"
    demo_folder.mkdir()
    chromium.mkdir()
    with demo("--on", "folder", "--keep", tmp=demo_folder) as process:
        said = until(process, "Ctrl-C ends the agent")
        found = re.search(r"Log in at (\S+) as (\S+); the password is in (\S+)", said)
        assert found, said
        address, email, file = found.groups()
        assert Path(file).stat().st_mode & 0o777 == 0o600
        password = Path(file).read_text("utf-8").strip()
        assert password not in said
        see(chromium, address, email, password)
        with demo("--on", "folder", tmp=demo_folder) as second:
            refused = second.communicate(timeout=60)[0]
        assert second.returncode == 9
        assert "port 3366 of this machine is in use" in refused
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    assert (processes(demo_folder), list(demo_folder.iterdir())) == ([], [])


def see(folder: Path, address: str, email: str, password: str) -> None:
    """Log in to the fleet page with a real browser, and see the agent online."""
    with browser(folder) as page:
        page.look(width=1280, height=800, scheme="light")
        page.open(address)
        page.wait("document.querySelector('input[name=password]')")
        page.write(email)
        page.press("Tab")
        page.write(password)
        page.press("Enter", "\r")
        page.wait("document.querySelector('tbody tr .state')")
        page.shoot(Path(os.environ.get("SCREENSHOTS", folder)) / "demo-fleet.png")
        row = page.run("document.querySelector('tbody tr').innerText")
        assert "demo-agent" in row
        assert "online" in row
        assert "0.1.0" in row
        assert "upgrade" not in row, "an install that went well needs nobody's look"
        beat = "document.querySelector('tbody time').dateTime"
        first = page.run(beat)
        page.wait(f"{beat} !== {first!r}")
        assert page.complaints == []


def test_ctrl_c_halfway_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 3305))
        taken.listen()
        with demo("--on", "folder", tmp=tmp_path) as process:
            said = until(process, "make the virtual environment")
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(120) == 130
    assert "127.0.0.1:3305" not in said, "another port, where somebody has this one"
    assert (processes(tmp_path), list(tmp_path.iterdir())) == ([], [])
