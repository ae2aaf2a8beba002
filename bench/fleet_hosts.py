"""Many hosts at once, and the inventories that tools of several kinds read them from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tests.support.containers import HostSpec, SshKey
from tests.support.hosts import Host
from tests.support.images import ensure_image
from tests.support.network import HostNetwork
from tests.support.podman import may_be_root, run_as_root

SUITE = "bookworm"
INSTANCES = 1024
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_AT_A_TIME = 6


@contextmanager
def room(console: Console) -> Iterator[None]:
    """Let the kernel run so many systemds at once, for as long as the block lasts.

    Each of them watches files by inotify, and 128 instances, which is the default, are enough for
    twenty hosts or so. Raises SystemExit where the limit is too low and can't be raised.
    """
    before = int(_LIMIT.read_text("ascii"))
    if before >= INSTANCES:
        yield
        return
    wanted = f"fs.inotify.max_user_instances={INSTANCES}"
    if not may_be_root():
        raise SystemExit(f"50 hosts need more of inotify: sudo sysctl {wanted}")
    console.print(f"{wanted} while this runs; it was {before}")
    run_as_root(["sysctl", "-q", "-w", wanted])
    try:
        yield
    finally:
        run_as_root(["sysctl", "-q", "-w", f"fs.inotify.max_user_instances={before}"])


@contextmanager
def booted(count: int, network: HostNetwork, key: SshKey) -> Iterator[list[Host]]:
    """Boot hosts, and remove them when the block ends."""
    spec = HostSpec(ensure_image(SUITE), key, network=network)
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        coming = [pool.submit(Host.boot, spec) for _ in range(count)]
        try:
            hosts = [each.result() for each in coming]
            known = "".join(host.known_hosts.read_text("utf-8") for host in hosts)
            key.private.with_name("known_hosts").write_text(known, "utf-8")
            yield hosts
        finally:
            for each in coming:
                if not each.cancel() and each.exception() is None:
                    pool.submit(each.result().remove)


def for_pyinfra(hosts: Sequence[Host], file: Path) -> None:
    """Write the inventory that pyinfra reads: a Python file."""
    rows = [
        (
            host.address,
            {
                "ssh_user": "operator",
                "ssh_key": str(host.key.private),
                "ssh_known_hosts_file": str(host.key.private.with_name("known_hosts")),
                "ssh_strict_host_key_checking": "yes",
                "_sudo": True,
            },
        )
        for host in hosts
    ]
    file.write_text(f"agents = {rows!r}\n", "utf-8")
