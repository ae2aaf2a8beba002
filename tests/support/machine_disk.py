"""Disks of virtual machines: a Debian tree as the containers have, and a kernel of its own."""

import os
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.support.containers import SshKey
from tests.support.images import ImageRecipe, ensure, recipe
from tests.support.podman import podman, run_as_root

SUITE = "bookworm"
_PACKAGES = ("udev", "linux-image-cloud-amd64")
_CUSTOMISATION = Path(__file__).with_name("customise-machine.sh")
_SIZE = "3G"


@dataclass(frozen=True)
class Disk:
    """A disk that boots: an image `file` with one filesystem and no partitions, and its kernel.

    `opt` is a second one, empty, which is for /opt: what is synced there says nothing of the first.
    `known_hosts` names the key of its sshd, for whatever address it gets.
    """

    file: Path
    opt: Path
    kernel: Path
    known_hosts: Path


def machine_recipe() -> ImageRecipe:
    """Return what the tree is made of: all that a container has, and what a machine needs."""
    base = recipe(SUITE)
    return ImageRecipe(
        base=base.base,
        given=base.given,
        packages=(*base.packages, *_PACKAGES),
        customisation=base.customisation + _CUSTOMISATION.read_text(encoding="utf-8"),
    )


def write_disk(folder: Path, key: SshKey) -> Disk:
    """Make a new disk in `folder`, whose sshd lets `key` in as operator.

    What a first boot would make is there already, since a machine whose power is cut may lose it.

    Raises:
        CommandFailed: the tree or the filesystem could not be made.
    """
    image = ensure(machine_recipe())
    disk = Disk(folder / "disk", folder / "opt", folder / "kernel", folder / "known_hosts")
    tree = Path(tempfile.mkdtemp(prefix="toolkit-machine-", dir="/var/tmp"))
    try:
        _unpack(image, tree)
        _make_own(tree, key, disk)
        (kernel,) = run_as_root(["find", f"{tree}/boot", "-name", "vmlinuz-*"]).stdout.split()
        run_as_root(["cp", kernel, str(disk.kernel)])
        run_as_root(["truncate", "--size", _SIZE, str(disk.file)])
        run_as_root(["mkfs.ext4", "-q", "-d", str(tree), str(disk.file)], timeout=120)
        run_as_root(["truncate", "--size", _SIZE, str(disk.opt)])
        run_as_root(["mkfs.ext4", "-q", "-L", "opt", str(disk.opt)], timeout=120)
        files = [str(path) for path in (disk.file, disk.opt, disk.kernel)]
        run_as_root(["chown", str(os.getuid()), *files])
    finally:
        run_as_root(["rm", "-rf", "--one-file-system", str(tree)], timeout=120)
    return disk


def _unpack(image: str, tree: Path) -> None:
    name = f"toolkit-tree-{uuid.uuid4().hex[:8]}"
    tarball = f"{tree}.tar"
    podman("create", "--name", name, image, "/bin/true")
    try:
        podman("export", "--output", tarball, name, timeout=120)
        run_as_root(["tar", "-C", str(tree), "-xf", tarball], timeout=120)
    finally:
        podman("rm", "--force", name, check=False)
        run_as_root(["rm", "-f", tarball])
    run_as_root(["chmod", "0755", str(tree)])


def _make_own(tree: Path, key: SshKey, disk: Disk) -> None:
    """Give the tree its ssh key, its name and whom it lets in."""
    own = SshKey.generate(_folder(disk.file.parent / "host-key"))
    disk.known_hosts.write_text(f"* {own.public}", encoding="utf-8")
    place = f"{tree}/etc/ssh/ssh_host_ed25519_key"
    run_as_root(["install", "-m", "0600", str(own.private), place])
    run_as_root(["install", "-m", "0644", f"{own.private}.pub", f"{place}.pub"])
    run_as_root(["tee", f"{tree}/etc/machine-id"], text=f"{uuid.uuid4().hex}\n")
    run_as_root(["tee", f"{tree}/etc/fstab"], text="LABEL=opt /opt ext4 noauto_da_alloc 0 0\n")
    home = ["chroot", str(tree), "install", "-o", "operator", "-g", "operator"]
    ssh = "/home/operator/.ssh"
    run_as_root([*home, "-d", "-m", "0700", ssh])
    run_as_root([*home, "-m", "0600", "/dev/null", f"{ssh}/authorized_keys"])
    run_as_root(["tee", f"{tree}{ssh}/authorized_keys"], text=key.public)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
