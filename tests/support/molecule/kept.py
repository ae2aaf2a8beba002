"""The process that keeps a scenario's hosts and its store, until it is told to end."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.support.containers import HostSpec, SshKey
from tests.support.hosts import Host, reap
from tests.support.images import ensure_image
from tests.support.machine import Machine
from tests.support.machine_disk import write_disk
from tests.support.molecule.inventory import Address, Agents, write_inventory
from tests.support.molecule.made import offer, packages
from tests.support.network import HostNetwork
from tests.support.podman import process_stamp
from tests.support.serve import StoreServer

_NOWHERE = "https://cdn.example.com/agents"


@dataclass(frozen=True)
class Wanted:
    """What a scenario wants to be there.

    Args:
        scenario: its name.
        hosts: their names.
        agent: the sample agent that the store offers.
        image: what hosts are made of: a Debian suite, or an image.
        inventory: the folder to write the inventory into.
        kind: container, or machine: one with a kernel of its own.
        served: whether hosts reach the store.
        packages: what hosts may install by apt.
    """

    scenario: str
    hosts: tuple[str, ...]
    agent: str
    image: str
    inventory: Path
    kind: str = "container"
    served: bool = True
    packages: tuple[str, ...] = ()


class _Told(Exception):
    """The process was told to end."""


def keep(wanted: Wanted, ready: Path) -> None:
    """Make what is wanted, write the inventory and the file `ready`, and keep it until SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    try:
        with ExitStack() as stack:
            machines = _make(wanted, stack)
            ready.write_text(str(process_stamp(os.getpid())), "utf-8")
            while True:
                time.sleep(0.5)
                for machine in machines:
                    # A machine that reboots is one that switches itself off, and on again here.
                    if not machine.is_on():
                        machine.start()
    except _Told:
        return


def _end(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once told, it tidies up to the end
    raise _Told


def _make(wanted: Wanted, stack: ExitStack) -> list[Machine]:
    # The path of a socket, which ssh puts here too, must be short.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolkit-mol-")))
    key = SshKey.generate(folder)
    machines: list[Machine] = []
    if wanted.kind == "machine":
        machines = [_machine(folder, key, stack)]
        way = machines[0].way
        hosts = [Address(way.address, way.port, machines[0].known_hosts)]
        url = _served(wanted, stack, way.inside).replace(way.inside, way.outside)
    else:
        reap()
        network = stack.enter_context(HostNetwork())
        spec = HostSpec(ensure_image(wanted.image), key, network=network)
        hosts = [_container(spec, stack) for _ in wanted.hosts]
        url = _served(wanted, stack, network.gateway)
    release = {**offer(wanted.agent).variables(wanted.agent, url)}
    if wanted.packages:
        repository = packages(wanted.packages, wanted.image)
        release["scenario_packages"] = _serve(repository, stack, network.gateway)
    named = dict(zip(wanted.hosts, hosts, strict=True))
    write_inventory(wanted.inventory, folder, key, Agents(named, release))
    return machines


def _container(spec: HostSpec, stack: ExitStack) -> Address:
    host = Host.boot(spec)
    stack.callback(host.remove)
    return Address(host.address, host.ssh_port, host.known_hosts)


def _machine(folder: Path, key: SshKey, stack: ExitStack) -> Machine:
    machine = Machine(write_disk(folder, key), key)
    stack.callback(machine.remove)
    machine.start()
    return machine


def _served(wanted: Wanted, stack: ExitStack, address: str) -> str:
    if not wanted.served:
        return _NOWHERE
    return _serve(offer(wanted.agent).root, stack, address)


def _serve(root: Path, stack: ExitStack, address: str) -> str:
    return stack.enter_context(StoreServer(root, address=address)).url
