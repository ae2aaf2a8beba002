"""Hosts under test: containers that boot a real systemd, with sshd, sudo and a login user.

They are what a small Ubuntu server is to this project. Where they differ: podman makes /run, /tmp
and /var/log/journal tmpfs, so a power cut empties them, the journal included; on a machine with
hybrid cgroups MemoryMax does nothing, so use the `memory` of `HostSpec` there.
"""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.support.containers import OWNER_LABEL, HostSpec, SshKey, create_args, exec_argv
from tests.support.network import Cable, reap_bridges
from tests.support.podman import (
    ROOT_FOLDER,
    CommandFailed,
    podman,
    process_stamp,
    run_as_root,
)

_BOOT_SECONDS = 60
_TIDY_SECONDS = 30
_PROCESSES = "{{.Id}} {{.State.Pid}} {{.State.ConmonPid}}"
_AUTHORIZE = """
install -d -m 0700 -o operator -g operator /home/operator/.ssh
install -m 0600 -o operator -g operator /dev/stdin /home/operator/.ssh/authorized_keys
cat /etc/ssh/ssh_host_ed25519_key.pub
"""
# Writes standard input to a file, whole: with the arguments path, mode and owner.
RECEIVE = 'umask 077; cat >"$1.part"; chown "$3" "$1.part"; chmod "$2" "$1.part"; mv "$1.part" "$1"'


class HostFailed(RuntimeError):
    """A host did not do what a host does: boot, run, be reached."""


class BootHost(Protocol):
    """The fixture `boot_host`: boots one more host of the test's suite, removed when it ends."""

    def __call__(
        self,
        *,
        network: bool = True,
        memory: str | None = None,
        tmpfs: Mapping[str, str] | None = None,
    ) -> "Host": ...


class Host:
    """A booted host; made by `Host.boot`, ended by `remove`."""

    ssh_port = 22

    def __init__(self, name: str, spec: HostSpec) -> None:
        self.name = name
        self.key = spec.key
        self.known_hosts = spec.key.private.with_name(f"known_hosts-{name}")
        self._cable: Cable | None = spec.network.cable() if spec.network else None
        self._id = ""
        self._pid = 0
        self._minder: str | None = None  # the process that podman leaves beside a container

    @classmethod
    def boot(cls, spec: HostSpec) -> "Host":
        """Make a host and wait until its systemd has started everything.

        Raises:
            HostFailed: it did not boot in time; says what its systemd said.
        """
        host = cls(f"toolkit-test-{os.getpid()}-{secrets.token_hex(3)}", spec)
        podman(*create_args(host.name, spec))
        try:
            host.start()
            host._let_in(spec.key)
        except BaseException:
            host.remove()
            raise
        return host

    @property
    def address(self) -> str:
        """The host's address, as the test machine reaches it."""
        return self._plugged().address

    @property
    def test_machine(self) -> str:
        """The test machine's address, as the host reaches it."""
        return self._plugged().gateway

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
        """Run a command on the host, in the user's home, and return its output.

        Args:
            argv: the command.
            user: `operator` (may sudo), `visitor` (may not) or `root`.
            input: standard input; secrets go this way, or by `put`.
            env: set on podman's command line, so never for secrets.
            check: raise when the exit code is not 0.
            timeout: seconds; then the command lives on, the host does not wait.

        Raises:
            CommandFailed: the exit code is not 0 and `check` is set.
            subprocess.TimeoutExpired: it took longer.
        """
        inside = exec_argv(self._id, argv, user=user, env=env or {})
        done = run_as_root(inside, text=input, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise CommandFailed(done.returncode, list(argv), done.stdout, done.stderr)
        return subprocess.CompletedProcess(list(argv), done.returncode, done.stdout, done.stderr)

    def spawn(
        self, argv: Sequence[str], *, user: str = "operator", env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start a command on the host and do not wait: for what is to be interrupted."""
        return subprocess.Popen(
            exec_argv(self._id, argv, user=user, env=env or {}),
            stdin=subprocess.DEVNULL,
            cwd=ROOT_FOLDER,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    def put(self, src: Path, dest: str, *, mode: int = 0o644, owner: str = "operator") -> None:
        """Copy a file to the host; its folder must be there.

        Raises:
            CommandFailed: it could not be written.
        """
        receive = ["sh", "-e", "-c", RECEIVE, "sh", dest, f"{mode:04o}", f"{owner}:"]
        with src.open("rb") as file:
            done = subprocess.run(
                exec_argv(self._id, receive, user="root", env={}),
                stdin=file,
                cwd=ROOT_FOLDER,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        if done.returncode != 0:
            raise CommandFailed(done.returncode, ["put", dest], done.stdout, done.stderr)

    def read(self, path: str) -> str:
        """Return the text of a file on the host, read as root."""
        return self.run(["cat", path], user="root").stdout

    def get(self, path: str, dest: Path) -> None:
        """Copy a file from the host, read as root, to `dest` on the test machine."""
        argv = exec_argv(self._id, ["cat", path], user="root", env={})
        with dest.open("wb") as file:
            subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                cwd=ROOT_FOLDER,
                check=True,
                timeout=300,
            )

    def kill(self) -> None:
        """Cut the power: every process of the host is gone at once, nothing is flushed or told."""
        podman("kill", "--signal", "KILL", self.name)
        podman("wait", self.name)

    def start(self) -> None:
        """Boot the host, with its network, and wait until systemd has started everything.

        Raises:
            HostFailed: it did not boot in time; says what its systemd said.
        """
        self._wait_until_tidied()
        podman("init", self.name)
        made = podman("inspect", "--format", _PROCESSES, self.name).stdout.split()
        self._id, self._pid = made[0], int(made[1])
        self._minder = process_stamp(int(made[2]))
        if self._cable:
            self._cable.plug(self._pid)
        podman("start", self.name)
        self.wait_until_booted()

    def restart(self) -> None:
        """Shut the host down in order and boot it again."""
        podman("stop", "--time", "30", self.name)
        self.start()

    def remove(self) -> None:
        """Take the host away with all that is on it; no error when it is gone already."""
        podman("rm", "--force", "--time", "0", "--volumes", self.name, check=False)
        self.known_hosts.unlink(missing_ok=True)

    def cut_network(self) -> None:
        """Pull the network cable."""
        self._plugged().cut(self._pid)

    def restore_network(self) -> None:
        """Put the network cable back."""
        self._plugged().restore(self._pid)

    def system_state(self) -> str:
        """Return what `systemctl is-system-running` says: running, degraded, starting, …"""
        return self.run(["systemctl", "is-system-running"], check=False).stdout.strip()

    def journal(self, lines: int = 60) -> str:
        """Return the end of the host's journal, or why there is none."""
        ask = ["journalctl", "--no-pager", "--lines", str(lines)]
        said = self.run(ask, user="root", check=False)
        return said.stdout or said.stderr

    def wait_until_booted(self) -> None:
        """Wait for systemd to have started all it should; a failed unit is no reason to wait.

        Raises:
            HostFailed: it had not after a minute.
        """
        deadline = time.monotonic() + _BOOT_SECONDS
        ask = ["systemctl", "is-system-running", "--wait"]
        command = exec_argv(self._id, ask, user="root", env={})
        while True:
            left = max(deadline - time.monotonic(), 1)
            said = run_as_root(command, check=False, timeout=left)
            if said.stdout.strip() in ("running", "degraded"):
                return
            if time.monotonic() > deadline:
                raise HostFailed(f"{self.name} did not boot: {said.stdout}{said.stderr}")
            time.sleep(0.05)  # its bus is not there yet

    def ssh_argv(self, *command: str) -> list[str]:
        """Return the argv that runs `command` on the host by ssh, with its host key checked."""
        options = {
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
        }
        settings = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        target = f"operator@{self.address}"
        # Without -F, the settings of the person who runs the tests would have a say.
        return ["ssh", "-F", "none", "-i", str(self.key.private), *settings, target, *command]

    def _let_in(self, key: SshKey) -> None:
        host_key = self.run(["sh", "-e", "-c", _AUTHORIZE], user="root", input=key.public).stdout
        if self._cable:
            self.known_hosts.write_text(f"{self._cable.address} {host_key}", encoding="utf-8")

    def _wait_until_tidied(self) -> None:
        # When a container ends, conmon becomes `podman container cleanup`, and nobody waits for
        # it. Should it come late, it also takes away what `podman init` has made since.
        deadline = time.monotonic() + _TIDY_SECONDS
        while self._minder and process_stamp(int(self._minder.partition(":")[0])) == self._minder:
            if time.monotonic() > deadline:
                raise HostFailed(f"podman did not tidy up after {self.name}")
            time.sleep(0.02)

    def _plugged(self) -> Cable:
        if self._cable is None:
            raise HostFailed(f"{self.name} has no network")
        return self._cable


def reap() -> None:
    """Remove the hosts and bridges that killed test processes left on this machine."""
    listed = podman("ps", "--all", "--filter", f"label={OWNER_LABEL}", "--format", "json").stdout
    for container in json.loads(listed or "null") or []:
        owner = container["Labels"][OWNER_LABEL]
        if process_stamp(int(owner.partition(":")[0])) != owner:
            podman("rm", "--force", "--time", "0", "--volumes", container["Id"], check=False)
    reap_bridges()


def stopped(process: subprocess.Popen[str]) -> str:
    """Give what it said, and end it where it has not ended."""
    time.sleep(0.1)
    if process.poll() is None:
        process.kill()
    return process.communicate()[0]
