"""A private network between the test machine and its hosts, with nothing else on it.

Each test process makes one bridge, and a veth pair for each host. Hosts start with podman's
`--network none` and get their cable between `podman init` and `podman start`, so the network is
there when systemd boots, also after a power cut. The bridge's address is the test machine's: a
server bound to it is reached by the hosts, and the hosts' sshd by the test machine. There is no
default route and no forwarding, so a host reaches the test machine and its fellows only: an
installation that quietly fetches from elsewhere fails.

Why not podman's own networks: netavark needs iptables and a kernel that has it; the CNI plugins of
Ubuntu 22.04 give an internal bridge no address; slirp4netns is rootless in the main and not
installed everywhere; `--network host` would share ports and sshd. This needs iproute2 and
util-linux alone, and a cable can be pulled at any moment.
"""

import ipaddress
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from tests.support.podman import machine_lock, run_as_root

_RANGE = ipaddress.IPv4Network("10.213.0.0/16")
_PREFIX = 22
_NAME = "tkbed-"


@dataclass(frozen=True)
class Cable:
    """One host's connection: its address, and the bridge's."""

    bridge: str
    address: str
    gateway: str

    def plug(self, pid: int) -> None:
        """Connect the network namespace of process `pid`; the cable goes when that does."""
        port = f"tkv{pid}"
        _ip(
            f"link add {port} master {self.bridge} type veth peer name eth0 netns {pid}",
            f"link set {port} up",
        )
        _ip(f"addr add {self.address}/{_PREFIX} dev eth0", "link set eth0 up", pid=pid)

    def cut(self, pid: int) -> None:
        """Take the host's interface down: connections fail at once, as without a network."""
        _ip("link set eth0 down", pid=pid)

    def restore(self, pid: int) -> None:
        """Take the host's interface up again, with the same address."""
        _ip("link set eth0 up", pid=pid)


class HostNetwork:
    """A bridge of this process with an address range of its own; use as a context manager."""

    def __init__(self) -> None:
        self._bridge = f"{_NAME}{os.getpid()}"
        with machine_lock("network"):
            subnet = free_subnet()
            self.gateway = str(subnet[1])
            _ip(
                f"link add {self._bridge} type bridge",
                f"addr add {self.gateway}/{_PREFIX} dev {self._bridge}",
                f"link set {self._bridge} up",
            )
        self._subnet = subnet
        self._numbers = itertools.count(2)  # hosts are booted by threads; counting is one step

    def cable(self) -> Cable:
        """Return a connection with an address that no other host had.

        Raises:
            IndexError: the range is used up, after a thousand hosts.
        """
        return Cable(
            bridge=self._bridge,
            address=str(self._subnet[next(self._numbers)]),
            gateway=self.gateway,
        )

    def close(self) -> None:
        """Take the bridge away."""
        _ip(f"link del {self._bridge}")

    def __enter__(self) -> "HostNetwork":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_subnet() -> ipaddress.IPv4Network:
    """Return a part of the range that no route of this machine touches.

    Raises:
        RuntimeError: all are taken.
    """
    taken = [_network(line) for line in _routes()]
    for subnet in _RANGE.subnets(new_prefix=_PREFIX):
        if not any(other.overlaps(subnet) for other in taken if other is not None):
            return subnet
    raise RuntimeError(f"no free subnet in {_RANGE}; see `ip route`")


def reap_bridges() -> None:
    """Remove the bridges that killed test processes left."""
    for link in Path("/sys/class/net").glob(f"{_NAME}*"):
        pid = link.name.removeprefix(_NAME)
        if not Path("/proc", pid).exists() or pid == str(os.getpid()):
            run_as_root(["ip", "link", "del", link.name], check=False)


def _routes() -> list[str]:
    return run_as_root(["ip", "-4", "-oneline", "route", "show"]).stdout.splitlines()


def _network(route: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(route.split(maxsplit=1)[0])
    except ValueError:  # `default`, or a type such as `unreachable`
        return None


def _ip(*commands: str, pid: int | None = None) -> None:
    inside = [] if pid is None else ["nsenter", "--net", "--target", str(pid)]
    run_as_root([*inside, "ip", "-batch", "-"], text="".join(f"{line}\n" for line in commands))
