"""Virtual machines under test, whose power can be cut: what the guest had not synced is lost.

KVM is used where a kernel is seen to run under it, for a /dev/kvm that is there may still not work;
elsewhere qemu translates, which is some ten times as slow.

The guest does nothing to make up for a program that does not sync: its page cache is never written
back by itself, and ext4's own help for such programs is off. What is left open by that, whether
names reach the disk before what is in the files, is for `Writeback` to say.
"""

import os
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path

from tests.support.containers import SshKey
from tests.support.hosts import RECEIVE, HostFailed
from tests.support.machine_disk import Disk
from tests.support.podman import CommandFailed

_QEMU = "qemu-system-x86_64"
_CPUS = {"kvm": "host", "tcg": "max"}
_BOOT_SECONDS = {"kvm": 60, "tcg": 300}
_PROBE_SECONDS = 15
_CONSOLE = "console=ttyS0 panic=-1"


class Writeback(Enum):
    """What becomes of what a program wrote and did not sync, as options of ext4's mount.

    NAMES_FIRST: new names reach the disk within a second, what is in the files never does.
    NOTHING: neither does.
    """

    NAMES_FIRST = "noauto_da_alloc,commit=1"
    NOTHING = "noauto_da_alloc,commit=3600"


@cache
def accelerator(kernel: Path) -> str:
    """Say how machines run here: kvm where the kernel comes to its end under it, else tcg."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    argv = [_QEMU, "-accel", "kvm", "-cpu", _CPUS["kvm"], "-m", "512", "-nographic", "-no-reboot"]
    argv += ["-kernel", str(kernel), "-append", f"{_CONSOLE} edd=off"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "tcg"
    return "kvm" if b"Unable to mount root" in done.stdout else "tcg"


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
        self._port = _free_port()
        self._qemu: subprocess.Popen[bytes] | None = None
        self._master: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port of this machine that leads to its sshd."""
        return self._port

    @property
    def accelerator(self) -> str:
        """How it runs: kvm or tcg."""
        return accelerator(self.disk.kernel)

    def start(self) -> None:
        """Switch the machine on, and wait until its sshd lets somebody in.

        Raises:
            HostFailed: it does not; says what stands on its console.
        """
        with self.console.open("wb") as console:
            self._qemu = subprocess.Popen(
                self._argv(), stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + _BOOT_SECONDS[self.accelerator]
        while not self._reached():
            if self._qemu.poll() is not None or time.monotonic() > deadline:
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
        for process in (self._qemu, self._master):
            if process is not None:
                process.kill()
                process.wait()
        self._qemu = self._master = None

    def is_on(self) -> bool:
        """Say whether the machine runs."""
        return self._qemu is not None and self._qemu.poll() is None

    def remove(self) -> None:
        """Switch the machine off for good."""
        self.kill()
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

    def _argv(self) -> list[str]:
        how = self.accelerator
        root = f"root=/dev/nvme0n1 rw rootfstype=ext4 rootflags={self.writeback.value}"
        append = f"{root} {_CONSOLE} quiet sysctl.vm.dirty_writeback_centisecs=0"
        forward = f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self._port}-:22"
        return [
            # However the tests end, the machine ends with them.
            *("setpriv", "--pdeathsig", "KILL"),
            *(_QEMU, "-accel", how, "-cpu", _CPUS[how], "-smp", "2", "-m", "1024"),
            *("-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"),
            *("-kernel", str(self.disk.kernel), "-append", append),
            # The one kind of disk that Debian's cloud kernel can use without an initrd.
            *_drive("root", self.disk.file),
            *_drive("opt", self.disk.opt),
            *("-nic", forward),
        ]

    def _reached(self) -> bool:
        """Say whether there is a connection, which all commands share; else try to make one."""
        if self._master is None or self._master.poll() is not None:
            # A connection that was killed leaves its socket, and the next would not be shared.
            self._control.unlink(missing_ok=True)
            options = ["-o", "ControlMaster=yes", "-o", "ConnectTimeout=5", "-N"]
            self._master = subprocess.Popen(
                [*self._ssh_argv(), *options, "operator@127.0.0.1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        time.sleep(0.5)
        check = [*self._ssh_argv(), "-O", "check", "operator@127.0.0.1"]
        return subprocess.run(check, capture_output=True, check=False).returncode == 0

    def _ssh(self, command: str) -> list[str]:
        return [*self._ssh_argv(), "operator@127.0.0.1", command]

    def _ssh_argv(self) -> list[str]:
        options = {
            "ControlPath": str(self._control),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
        }
        settings = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", "-i", str(self._key.private), "-p", str(self._port), *settings]


def _drive(name: str, file: Path) -> list[str]:
    # cache=none: what the guest syncs is on the disk, and nothing is added to that.
    drive = f"file={file},format=raw,if=none,id={name},cache=none"
    return ["-drive", drive, "-device", f"nvme,drive={name},serial={name}"]


def _as(user: str, argv: Sequence[str], env: Mapping[str, str]) -> str:
    settings = [f"{name}={value}" for name, value in env.items()]
    other = [] if user == "operator" else ["sudo", "-n", "-H", "-u", user, "--"]
    # sshd and sudo pass a signal on as a signal; here 137 is wanted where a command was killed.
    told = ["sh", "-c", '"$@"; exit "$?"', "sh"]
    return shlex.join([*other, *told, "env", *settings, *argv])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
