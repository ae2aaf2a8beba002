"""Runs podman and other commands as root, through sudo where the tests run as a user.

Rootless podman would need no root, but a systemd in it gets neither cgroups of its own nor mount
namespaces on many machines, and debootstrap needs root in any case.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# crun refuses hybrid cgroups; runc runs on v1, hybrid and v2 alike.
RUNTIME = "runc"
_PODMAN = ("podman", "--runtime", RUNTIME)
# conmon leaves a file named oom in the folder that it is started from; let it not be the checkout.
ROOT_FOLDER = Path("/run")


class CommandFailed(subprocess.CalledProcessError):
    """A command that ended with another code than 0; says what it printed."""

    def __str__(self) -> str:
        return (
            f"{self.cmd} exited with {self.returncode}\n"
            f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        )


def as_root(argv: Sequence[str]) -> list[str]:
    """Return `argv` so that it runs as root without asking for a password."""
    return [*(() if os.geteuid() == 0 else ("sudo", "-n")), *argv]


def podman_argv(*args: str) -> list[str]:
    """Return the argv of a rootful podman call."""
    return as_root([*_PODMAN, *args])


def run_as_root(
    argv: Sequence[str], *, text: str | None = None, timeout: float = 60, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command as root and return its output.

    Args:
        argv: the command.
        text: its standard input; empty when None.
        timeout: seconds.
        check: raise when the exit code is not 0.

    Raises:
        CommandFailed: the exit code is not 0 and `check` is set.
        subprocess.TimeoutExpired: it took longer.
    """
    done = _run_bounded(argv, text or "", timeout)
    if check and done.returncode != 0:
        raise CommandFailed(done.returncode, list(argv), done.stdout, done.stderr)
    return done


def _run_bounded(
    argv: Sequence[str], text: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    # sudo can't be killed by the user who called it, and what it runs would live on: through sudo,
    # timeout(1) ends the command on the other side.
    bound = [] if os.geteuid() == 0 else ["timeout", "--kill-after=5", f"{timeout}"]
    began = time.monotonic()
    done = subprocess.run(
        as_root([*bound, *argv]),
        input=text,
        capture_output=True,
        cwd=ROOT_FOLDER,
        encoding="utf-8",
        errors="replace",
        timeout=timeout + 10 if bound else timeout,
        check=False,
    )
    if bound and done.returncode in (124, 137) and time.monotonic() - began >= timeout:
        raise subprocess.TimeoutExpired(list(argv), timeout, done.stdout, done.stderr)
    return done


def podman(
    *args: str, text: str | None = None, timeout: float = 60, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run podman as root; arguments and errors as in `run_as_root`."""
    return run_as_root([*_PODMAN, *args], text=text, timeout=timeout, check=check)


def may_be_root() -> bool:
    """Tell whether commands can run as root without a password."""
    if os.geteuid() == 0:
        return True
    return shutil.which("sudo") is not None and run_as_root(["true"], check=False).returncode == 0


def process_stamp(pid: int) -> str | None:
    """Return `pid:start time` of a living process, or None; tells a reused pid from the first.

    The start time is field 22 of /proc/PID/stat (proc(5)), in clock ticks since boot.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return f"{pid}:{stat.rpartition(')')[2].split()[19]}"


@contextmanager
def machine_lock(name: str) -> Iterator[None]:
    """Hold a lock that only one process of this user on this machine can hold."""
    path = Path(tempfile.gettempdir(), f"toolkit-tests-{os.getuid()}-{name}.lock")
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
