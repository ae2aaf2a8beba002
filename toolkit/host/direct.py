"""agentctl's own supervisor as process manager: for hosts and folders without systemd.

It restarts the service, but does not start at boot and does not hold it to a memory limit.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.host.accounts import Account
from toolkit.host.commands import switch_user
from toolkit.host.envfile import parse_env
from toolkit.host.errors import CommandFailed, NotPermitted, StartFailed
from toolkit.host.files import last_lines, make_folder
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation, Process
from toolkit.host.release import (
    PATH,
    SYSTEM_PATH,
    Release,
    command_line,
    environment,
    parse_release,
    resolve,
    search_path,
)

STOP_SECONDS = 10.0
TICK = 0.1
LOG = "agent.log"


class Direct:
    """Runs the service under `agentctl supervise`, a process of its own session."""

    name = "direct"

    def require(self, installation: Installation) -> None:
        """Raise where the service would have to run as another user and this is not root."""
        if os.geteuid() not in (0, installation.account.uid):
            raise NotPermitted(
                f"the service runs as {installation.account.name}, and only root may start it so",
                hint="run the command with sudo, or leave --user out",
            )

    def configured(self, installation: Installation) -> bool:
        """Say whether the folder for process ids is there; there is nothing else."""
        return installation.layout.run.is_dir()

    def foresee(self, installation: Installation) -> Mapping[str, Any]:
        """Give nothing: the folder says it all."""
        del installation
        return {}

    def configure(self, installation: Installation) -> None:
        """Make the folder for process ids."""
        make_folder(installation.layout.run, 0o755, installation.account)

    def start(self, installation: Installation) -> None:
        """End the supervisor that is there and start another, as the service's user."""
        layout, account = installation.layout, installation.account
        _stop(layout)
        subprocess.Popen(
            [sys.executable, str(layout.agentctl), "supervise", "--home", str(layout.home)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env=_supervisor_environment(account),
            **switch_user(account),
        )
        _wait_for(layout, present=True)

    def process(self, installation: Installation) -> Process:
        """Read the ids that the supervisor wrote, and look whether they are alive."""
        run = installation.layout.run
        supervisor = _alive(run / "supervisor.pid")
        pid = _alive(run / "agent.pid")
        restarts = _count(run / "restarts")
        detail = "supervised" if supervisor else "no supervisor"
        running = supervisor is not None and pid is not None
        # Its note goes only with a supervisor that was told to end.
        stopped = not (run / "supervisor.pid").exists()
        return Process(running, pid, restarts, detail, stopped)

    def put_aside(self, installation: Installation) -> str | None:
        """Say whether its supervisor is gone: nobody but a person starts it again."""
        supervisor = _alive(installation.layout.run / "supervisor.pid")
        return "stopped" if supervisor is None else None

    def logs(self, installation: Installation, lines: int) -> str:
        """Give the last lines of logs/agent.log."""
        path = installation.layout.logs / LOG
        return "\n".join(last_lines(path, lines, installation.account))

    def remove(self, layout: Layout, service: str, details: Mapping[str, Any]) -> None:
        """End the supervisor, and with it the service."""
        del service, details
        _stop(layout)


def supervise(home: Path) -> None:
    """Run the service until SIGTERM: start it, wait, and start it again after its delay."""
    layout = Layout(home)
    _write_to_log(layout.logs / LOG)
    stopping = _Stopping()
    _write_id(layout.run / "supervisor.pid", os.getpid())
    restarts = 0
    try:
        while not stopping.asked:
            delay = _run_once(layout, restarts, stopping)
            restarts += 1
            stopping.wait(delay)
    finally:
        for name in ("agent.pid", "restarts", "supervisor.pid"):
            (layout.run / name).unlink(missing_ok=True)


def _write_to_log(path: Path) -> None:
    """Send what this process and its children print to the log, from here on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


class _Stopping:
    """Whether SIGTERM or SIGINT has come."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        del number, frame
        self.asked = True

    def wait(self, seconds: float) -> None:
        """Sleep, but wake at once when asked to stop."""
        end = time.monotonic() + seconds
        while not self.asked and time.monotonic() < end:
            time.sleep(TICK)


def _run_once(layout: Layout, restarts: int, stopping: _Stopping) -> float:
    release = parse_release((layout.current / PATH).read_text("utf-8"))
    home = str(layout.home)
    child = subprocess.Popen(
        command_line(release, home),
        env=_service_environment(release, layout),
        cwd=resolve(release.service.working_directory, release, home),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    _write_id(layout.run / "agent.pid", child.pid)
    _write_whole(layout.run / "restarts", f"{restarts}\n")
    _wait_or_end(child, stopping)
    # What the service left behind would hold its port.
    _signal_group(child.pid, signal.SIGKILL)
    return float(release.service.restart_delay)


def _service_environment(release: Release, layout: Layout) -> dict[str, str]:
    return {
        "HOME": os.environ["HOME"],
        "USER": os.environ["USER"],
        "LANG": "C.UTF-8",
        "PATH": search_path(release, str(layout.home)),
        **environment(release, str(layout.home)),
        **parse_env(layout.env.read_text("utf-8")),
    }


def _wait_or_end(child: subprocess.Popen[bytes], stopping: _Stopping) -> None:
    deadline = None
    while child.poll() is None:
        if stopping.asked and deadline is None:
            deadline = time.monotonic() + STOP_SECONDS
            _signal_group(child.pid, signal.SIGTERM)
        elif deadline is not None and time.monotonic() > deadline:
            _signal_group(child.pid, signal.SIGKILL)
        time.sleep(TICK)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _supervisor_environment(account: Account) -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "HOME": account.home, "USER": account.name, "LANG": "C.UTF-8"}


def _stop(layout: Layout) -> None:
    """End the supervisor, and a service that has outlived it."""
    supervisor = _alive(layout.run / "supervisor.pid")
    if supervisor is not None:
        os.kill(supervisor, signal.SIGTERM)
        _wait_for(layout, present=False)
    agent = _alive(layout.run / "agent.pid")
    if agent is not None:
        _signal_group(agent, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _alive(layout.run / "agent.pid") is not None and time.monotonic() < deadline:
            time.sleep(TICK)
        _signal_group(agent, signal.SIGKILL)


def _wait_for(layout: Layout, *, present: bool) -> None:
    end = time.monotonic() + STOP_SECONDS + 5
    while (_alive(layout.run / "supervisor.pid") is not None) != present:
        if time.monotonic() > end:
            verb = "start" if present else "end"
            fault = StartFailed if present else CommandFailed
            raise fault(
                f"the supervisor of {layout.home} did not {verb}",
                hint=f"its last lines stand in {layout.logs / LOG}",
            )
        time.sleep(TICK)


def _alive(path: Path) -> int | None:
    """Give the process id in `path` if it still belongs to the process that it was written for.

    Whoever wrote the file must own the process: else the service's user could have root end
    another's.
    """
    try:
        pid, started = (int(number) for number in path.read_text("ascii").split())
        if path.lstat().st_uid != Path(f"/proc/{pid}").stat().st_uid:
            return None
    except (FileNotFoundError, ValueError):
        return None
    return pid if _started(pid) == started else None


def _started(pid: int) -> int | None:
    """Give when a living process began, in clock ticks since boot (proc(5), field 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _write_id(path: Path, pid: int) -> None:
    """Write a process id and when that process began, since ids are given again."""
    _write_whole(path, f"{pid} {_started(pid) or 0}\n")


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(text, "ascii")
    temporary.replace(path)


def _count(path: Path) -> int:
    try:
        return int(path.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return 0
