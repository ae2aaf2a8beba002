"""What a host is made of, and podman's arguments for it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.images import INIT
from tests.support.network import HostNetwork
from tests.support.podman import RUNTIME, as_root, process_stamp

# On a machine, systemd shares all mounts; in a container it leaves that to whoever made it, and
# credentials (systemd.exec(5)), which are mounts, would reach no service.
_BOOT = f"mount --make-rshared / && exec {INIT}"
OWNER_LABEL = "toolkit-test-owner"


@dataclass(frozen=True)
class SshKey:
    """A key pair that hosts let in as `operator`, and a folder for their known_hosts files."""

    private: Path

    @classmethod
    def generate(cls, folder: Path) -> "SshKey":
        """Make a key without a passphrase in `folder`."""
        private = folder / "id_ed25519"
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(private)]
        subprocess.run(argv, check=True, timeout=30)
        return cls(private)

    @property
    def public(self) -> str:
        """The public half, as in authorized_keys."""
        return self.private.with_suffix(".pub").read_text(encoding="utf-8")


@dataclass(frozen=True)
class HostSpec:
    """What a host is made of.

    Args:
        image: tag of an image of `tests.support.images`.
        key: whom its sshd lets in.
        network: where its cable goes; None for a host without any network but its own loopback.
        memory: limit on all that the host uses, in podman's form ("256m"); no limit when None.
        tmpfs: small filesystems, mount point to size ("16m"); a power cut empties them.
    """

    image: str
    key: SshKey
    network: HostNetwork | None = None
    memory: str | None = None
    tmpfs: Mapping[str, str] = field(default_factory=dict)


def create_args(name: str, spec: HostSpec) -> list[str]:
    """Return podman's arguments that make a host.

    SYS_ADMIN lets systemd make mount namespaces, which every sandboxed unit needs, and AppArmor's
    profile for containers would forbid the mounts. The limits stand below podman's defaults, which
    a machine without CAP_SYS_RESOURCE may not set.
    """
    args = ["create", "--name", name, "--hostname", "test-host", "--systemd=always"]
    args += ["--network", "none", "--cap-add", "SYS_ADMIN"]
    args += ["--security-opt", "apparmor=unconfined"]
    args += ["--ulimit", "nofile=10000:20000", "--ulimit", "nproc=5000:5000"]
    args += ["--label", f"{OWNER_LABEL}={process_stamp(os.getpid())}"]
    if spec.memory:
        args += ["--memory", spec.memory]
    for path, size in spec.tmpfs.items():
        args += ["--tmpfs", f"{path}:size={size},mode=0755"]
    return [*args, spec.image, "/bin/sh", "-c", _BOOT]


def exec_argv(
    container: str, argv: Sequence[str], *, user: str, env: Mapping[str, str]
) -> list[str]:
    """Return the argv that runs `argv` on a host, in the user's home.

    It asks the runtime without podman, whose own `exec` burns four times as much: tests do this
    thousands of times. What runs has the container's cgroup, capabilities and filter all the same.

    Args:
        container: its whole id: the runtime knows no name.
        argv: the command.
        user: by name, with the groups of the host's own files.
        env: as in `Host.run`.
    """
    home = "/root" if user == "root" else f"/home/{user}"
    settings = {"HOME": home, "USER": user, "LOGNAME": user, "LANG": "C.UTF-8", **env}
    words = [word for key, value in settings.items() for word in ("--env", f"{key}={value}")]
    as_user = ["chroot", "--skip-chdir", f"--userspec={user}", "/"]  # the runtime takes numbers
    return as_root([RUNTIME, "exec", "--cwd", home, *words, container, *as_user, *argv])
