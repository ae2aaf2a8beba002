"""Virtual machines under test, whose power can be cut: what the guest had not synced is lost.

The guest does nothing to make up for a program that does not sync: its page cache is never written
back by itself, and ext4's own help for such programs is off. What is left open by that, whether
names reach the disk before what is in the files, is for `Writeback` to say.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.containers import SshKey
from tests.support.hosts import RECEIVE, HostFailed
from tests.support.machine_disk import Disk
from tests.support.podman import CommandFailed
from tests.support.virtual import Way, Writeback, way


class Machine:
    """A machine with one disk; made switched off, ended by `remove`."""

    def __init__(self, disk: Disk, key: SshKey) -> None:
        self.disk = disk
        self.known_hosts = disk.known_hosts
        self.writeback = Writeback.NAMES_FIRST
        self.console = disk.file.with_name("console")
        self._key = key
        self._folder = tempfile.TemporaryDirectory(prefix="toolkit-vm-")
        self._control = Path(self._folder.name, "ssh")
        self.way: Way = way(disk)
        self._login = f"operator@{self.way.address}"
        self._power: subprocess.Popen[bytes] | None = None
        self._master: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Switch the machine on, and wait until its sshd lets somebody in.

        Raises:
            HostFailed: it does not; says what stands on its console.
        """
        with self.console.open("wb") as console:
            self._power = subprocess.Popen(
                # However the tests end, the machine ends with them.
                ["setpriv", "--pdeathsig", "KILL", *self.way.argv(self.disk, self.writeback)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + self.way.boots_in
        while not self._reached():
            if self._power.poll() is not None or time.monotonic() > deadline:
                said = self.console.read_text("utf-8", "replace")[-3000:]
                self.kill()
                raise HostFailed(f"the machine did not boot; its console says:\n{said}")
        self.lose(self.writeback)

    def lose(self, writeback: Writeback) -> None:
        """Say what the next power cut takes away."""
        self.writeback = writeback
        for point in ("/", "/opt"):
            self.run(["mount", "-o", f"remount,{writeback.value}", point], user="root")

    def kill(self) -> None:
        """Cut the power: what the guest's programs had not synced is gone."""
        if self._power is not None:
            _end_all(self._power)
        if self._master is not None:
            self._master.kill()
            self._master.wait()
        self._power = self._master = None

    def is_on(self) -> bool:
        """Say whether the machine runs."""
        return self._power is not None and self._power.poll() is None

    def remove(self) -> None:
        """Switch the machine off for good."""
        self.kill()
        self.way.remove()
        self._folder.cleanup()

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "operator",
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return its output, as `Host.run` does; raises CommandFailed."""
        done = subprocess.run(
            self._ssh(_as(user, argv, env or {})),
            input=input or "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise CommandFailed(done.returncode, list(argv), done.stdout, done.stderr)
        return subprocess.CompletedProcess(list(argv), done.returncode, done.stdout, done.stderr)

    def spawn(
        self, argv: Sequence[str], *, user: str = "operator", env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start a command and do not wait."""
        return subprocess.Popen(
            self._ssh(_as(user, argv, env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    def put(self, src: Path, dest: str, *, mode: int = 0o644, owner: str = "operator") -> None:
        """Copy a file to the machine; its folder must be there. Raises CommandFailed."""
        receive = ["sh", "-e", "-c", RECEIVE, "sh", dest, f"{mode:04o}", f"{owner}:"]
        with src.open("rb") as file:
            done = subprocess.run(
                self._ssh(_as("root", receive, {})),
                stdin=file,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        if done.returncode != 0:
            raise CommandFailed(done.returncode, ["put", dest], done.stdout, done.stderr)

    def read(self, path: str) -> str:
        """Return the text of a file, read as root."""
        return self.run(["cat", path], user="root").stdout

    def _reached(self) -> bool:
        """Say whether there is a connection, which all commands share; else try to make one."""
        if self._master is None or self._master.poll() is not None:
            # A connection that was killed leaves its socket, and the next would not be shared.
            self._control.unlink(missing_ok=True)
            options = ["-o", "ControlMaster=yes", "-o", "ConnectTimeout=5", "-N"]
            self._master = subprocess.Popen(
                [*self._ssh_argv(), *options, self._login],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        time.sleep(0.5)
        check = [*self._ssh_argv(), "-O", "check", self._login]
        return subprocess.run(check, capture_output=True, check=False).returncode == 0

    def _ssh(self, command: str) -> list[str]:
        return [*self._ssh_argv(), self._login, command]

    def _ssh_argv(self) -> list[str]:
        options = {
            "ControlPath": str(self._control),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
        }
        settings = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return [
            "ssh",
            "-F",
            "none",
            "-i",
            str(self._key.private),
            "-p",
            str(self.way.port),
            *settings,
        ]


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all others of its group, and wait until the last one is gone.

    One that still wrote to the disk would be at it while the machine starts anew.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while True:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def _as(user: str, argv: Sequence[str], env: Mapping[str, str]) -> str:
    settings = [f"{name}={value}" for name, value in env.items()]
    other = [] if user == "operator" else ["sudo", "-n", "-H", "-u", user, "--"]
    # sshd and sudo pass a signal on as a signal; here 137 is wanted where a command was killed.
    told = ["sh", "-c", '"$@"; exit "$?"', "sh"]
    return shlex.join([*other, *told, "env", *settings, *argv])
