"""Fixtures of the tests whose hosts are virtual machines."""

from collections.abc import Iterator

import pytest

from tests.support.containers import SshKey
from tests.support.machine import Machine
from tests.support.machine_disk import write_disk
from tests.support.need import need, need_command
from tests.support.podman import may_be_root

_COMMANDS = (
    "podman",
    "debootstrap",
    "mkfs.ext4",
    "ssh",
    "ssh-keygen",
    "setpriv",
    "linux.uml",
    "unshare",
    "ip",
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that is switched on, with nothing installed; all tests of a module share it."""
    for command in _COMMANDS:
        need_command(command)
    need(may_be_root(), "a machine's disk is made by root, or sudo without a password")
    folder = tmp_path_factory.mktemp("machine")
    key = SshKey.generate(tmp_path_factory.mktemp("ssh"))
    made = Machine(write_disk(folder, key), key)
    try:
        made.start()
        yield made
    finally:
        made.remove()
        made.disk.file.unlink()
        made.disk.opt.unlink()
