"""How virtual machines run: by qemu where KVM works, else by User-mode Linux.

User-mode Linux is a kernel that runs as a process, with a page cache and disks of its own. It needs
nothing of the processor, and is some three times as fast as qemu is without KVM.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.support.hosts import HostFailed
from tests.support.machine_disk import Disk
from tests.support.podman import CommandFailed, run_as_root

_QEMU = "qemu-system-x86_64"
_UML = "linux.uml"
_MEMORY = "1024M"
_PROBE_SECONDS = 15
_DEVICES = 64


class Writeback(Enum):
    """What becomes of what a program wrote and did not sync, as options of ext4's mount.

    NAMES_FIRST: new names reach the disk within a second, what is in the files never does.
    NOTHING: neither does.
    """

    NAMES_FIRST = "noauto_da_alloc,commit=1"
    NOTHING = "noauto_da_alloc,commit=3600"


class Way(Protocol):
    """A way to run a machine. `address` and `port` lead to its sshd.

    What listens here on `inside`, the machine finds at `outside`; `boots_in` is a bound in seconds.
    """

    name: str
    address: str
    port: int
    inside: str
    outside: str
    boots_in: float

    def argv(self, disk: Disk, writeback: Writeback) -> list[str]:
        """Give the command that runs it; what it prints is the machine's console."""
        ...

    def remove(self) -> None:
        """Take away what it needed of this machine."""
        ...


def way(disk: Disk) -> Way:
    """Give the fastest way there is here. Raises HostFailed where there is none for this user."""
    if _kvm_works(disk.kernel):
        return Qemu()
    if os.geteuid() != 0:
        raise HostFailed("KVM does not work here, and only root runs machines without: use sudo")
    return UserMode()


class Qemu:
    """qemu with KVM, and a network that needs no rights."""

    name = "kvm"
    address = "127.0.0.1"
    inside = "127.0.0.1"
    outside = "10.0.2.2"
    boots_in = 60.0

    def __init__(self) -> None:
        self.port = _free_port()

    def argv(self, disk: Disk, writeback: Writeback) -> list[str]:
        forward = f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        return [
            *(_QEMU, "-accel", "kvm", "-cpu", "host", "-smp", "2", "-m", _MEMORY),
            *("-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"),
            *("-kernel", str(disk.kernel)),
            *("-append", f"root=/dev/nvme0n1 {_kernel(writeback)} console=ttyS0 panic=-1"),
            # The one kind of disk that Debian's cloud kernel can use without an initrd.
            *_drive("root", disk.file),
            *_drive("opt", disk.opt),
            *("-nic", forward),
        ]

    def remove(self) -> None:
        """There is nothing: qemu takes its network along."""


class UserMode:
    """User-mode Linux, on a network device of its own; root alone can make that."""

    name = "uml"
    port = 22
    boots_in = 180.0

    def __init__(self) -> None:
        number, self._device = _new_device()
        self.inside = self.outside = f"10.212.{number}.1"
        self.address = f"10.212.{number}.2"
        self._folder = tempfile.TemporaryDirectory(prefix="toolkit-uml-")
        run_as_root(["ip", "address", "add", f"{self.outside}/30", "dev", self._device])
        run_as_root(["ip", "link", "set", self._device, "up"])

    def argv(self, disk: Disk, writeback: Writeback) -> list[str]:
        network = f"ip={self.address}::{self.outside}:255.255.255.252::eth0:off"
        return [
            # The processes of its programs end with it, and not only with their own.
            *("unshare", "--pid", "--fork", "--kill-child=KILL"),
            *(_UML, f"mem={_MEMORY}", f"uml_dir={self._folder.name}"),
            *(f"ubd0={disk.file}", f"ubd1={disk.opt}", "root=/dev/ubda"),
            *_kernel(writeback).split(),
            *(f"eth0=tuntap,{self._device}", network, "con=null", "con0=fd:0,fd:1"),
        ]

    def remove(self) -> None:
        run_as_root(["ip", "link", "delete", self._device])
        self._folder.cleanup()


def _kernel(writeback: Writeback) -> str:
    """Give the kernel's arguments: its page cache is never written back by itself."""
    root = f"rw rootfstype=ext4 rootflags={writeback.value}"
    return f"{root} quiet sysctl.vm.dirty_writeback_centisecs=0"


@cache
def _kvm_works(kernel: Path) -> bool:
    """Tell whether a kernel comes to its end under KVM: a /dev/kvm that is there may not work."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or shutil.which(_QEMU) is None:
        return False
    argv = [_QEMU, "-accel", "kvm", "-cpu", "host", "-m", "512", "-nographic", "-no-reboot"]
    argv += ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1 edd=off"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return b"Unable to mount root" in done.stdout


def _new_device() -> tuple[int, str]:
    """Make a network device; gives its number and its name."""
    for number in range(_DEVICES):
        name = f"toolkit-vm{number}"
        add = ["ip", "tuntap", "add", "dev", name, "mode", "tap"]
        if not Path("/sys/class/net", name).exists():
            try:
                run_as_root(add)
            except CommandFailed:
                if not Path("/sys/class/net", name).exists():
                    raise
                continue  # another run of the tests was faster
            return number, name
    raise RuntimeError(f"{_DEVICES} devices toolkit-vm* are there already: ip link delete NAME")


def _drive(name: str, file: Path) -> list[str]:
    # cache=none: what the guest syncs is on the disk, and nothing is added to that.
    drive = f"file={file},format=raw,if=none,id={name},cache=none"
    return ["-drive", drive, "-device", f"nvme,drive={name},serial={name}"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
