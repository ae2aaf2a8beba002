"""What goes wrong in a fleet, and how far: the table of `make fleet-faults`, which has 50 hosts.

Without FLEET_HOSTS there are eight. The budget is 5 %, and two hosts at the least.
"""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.containers import HostSpec, SshKey
from tests.support.hosts import Host
from tests.support.network import HostNetwork
from tests.support.releases import Released, tiny
from tests.support.serve import StoreServer
from tests.support.signed_fleet import SignedFleet, wait_for

pytestmark = [pytest.mark.hosts, pytest.mark.one_suite]
COUNT = int(os.environ.get("FLEET_HOSTS", "8"))
BUDGET = max(math.floor(COUNT * 0.05), 2)
GOOD = [f"1.{number}.0" for number in range(5)]
LOADED = "2.0.0"
# It answers, and ends when it is asked to work: the third request of its health gate is its load.
UNDER_LOAD = (
    'python3 {current}/agent.py & sleep 1; test -z "$TINY_LOAD" || kill $!; wait $!; exit 1'
)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    fault: str
    ran: int
    lost: int
    held: int
    outcome: str
    seconds: float


ROWS: list[Row] = []


@pytest.fixture(scope="module")
def faulty_store(
    tmp_path_factory: pytest.TempPathFactory, host_network: HostNetwork, host_image: str
) -> Iterator[StoreServer]:
    """A store for the hosts of one suite: metadata that was signed for another is not in it."""
    root = tmp_path_factory.mktemp("faulty-store")
    with StoreServer(root, address=host_network.gateway) as server:
        yield server


def build_all(work: Path) -> dict[str, Released]:
    found = {version: tiny(work / version, version=version) for version in GOOD}
    shell: Any = ["/bin/sh", "-c", UNDER_LOAD]
    found[LOADED] = tiny(work / LOADED, version=LOADED, exec=shell)
    return found


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory,
    host_network: HostNetwork,
    host_key: SshKey,
    host_image: str,
    faulty_store: StoreServer,
) -> Iterator[SignedFleet]:
    """The hosts, of which the last has a small disk of its own, with the first good version."""
    releases = build_all(tmp_path_factory.mktemp("releases"))
    with ThreadPoolExecutor(4) as pool:
        small = {"/opt": "24m"}
        specs = [HostSpec(host_image, host_key, network=host_network) for _ in range(COUNT - 1)]
        specs.append(HostSpec(host_image, host_key, network=host_network, tmpfs=small))
        hosts = list(pool.map(Host.boot, specs))
    try:
        fleet = SignedFleet(tmp_path_factory.mktemp("fleet"), hosts, faulty_store, releases)
        fleet.promote(GOOD[0])
        began = time.monotonic()
        told = fleet.run("install", "--parallel", "10", timeout=3600)
        note("install, no fault", told, fleet, GOOD[0], began)
        assert told["outcome"] == "finished"
        yield fleet
    finally:
        for host in hosts:
            host.remove()
        print("\n| what goes wrong | ran it | lost | hold it | ends | seconds |")
        print("| --- | --- | --- | --- | --- | --- |")
        for row in ROWS:
            end = f"{row.lost} | {row.held} | {row.outcome} | {row.seconds:.0f} |"
            print(f"| {row.fault} | {row.ran} | {end}")


def note(fault: str, told: Any, fleet: SignedFleet, version: str, began: float) -> Row:
    """Add a line to the table; who ran a version is what agentctl noted on the hosts."""
    seconds = time.monotonic() - began
    ran = sum(any(seen == version for _, seen in each) for each in fleet.history())
    whats = [host["what"] for host in told["hosts"]]
    row = Row(
        fault,
        ran,
        whats.count("lost"),
        whats.count("holds") + whats.count("had it"),
        told["outcome"],
        seconds,
    )
    ROWS.append(row)
    return row


def upgrade(fleet: SignedFleet, *words: str, code: int = 0) -> Any:
    return fleet.run("upgrade", *words, code=code, timeout=5400)


def wide() -> list[str]:
    """Give a budget that lets a whole fleet be upgraded in a bearable time."""
    return ["--max-failed", str(max(COUNT // 5, 3)), "--waves", "20%,60%"]


@pytest.mark.parametrize("idle", [0, 1], ids=["on all hosts", "on all but the canary"])
def test_bad_only_under_load(idle: int, fleet: SignedFleet) -> None:
    began = time.monotonic()
    loaded = list(fleet.hosts)[idle:]
    fleet.promote(GOOD[0])
    # The load comes with a setting, which the version before does not look at.
    fleet.write(**{name: {"agent_environment": {"TINY_LOAD": "1"}} for name in loaded})
    words = ["--version", LOADED, "--max-failed", str(BUDGET), "--again", "--watch", "4"]
    before = len([1 for each in fleet.history() if ("reverted", LOADED) in each])
    told = fleet.run("install", *words, code=16, timeout=3600)
    where = "on all hosts" if idle == 0 else "on all but the canary"
    row = note(f"bad only under load, {where}", told, fleet, LOADED, began)
    assert row.ran - before <= 2
    fleet.write()
    upgrade(fleet, "--version", GOOD[0], "--max-failed", str(COUNT), "--again", "--canary", "0")


def test_a_tenth_unreachable_from_the_start(fleet: SignedFleet) -> None:
    began = time.monotonic()
    fleet.promote(GOOD[1])
    fleet.write(down=list(fleet.hosts)[: max(COUNT // 10, BUDGET + 1)])
    told = upgrade(fleet, "--max-failed", str(BUDGET), code=16)
    fleet.write()
    row = note("a tenth unreachable from the start", told, fleet, GOOD[1], began)
    assert row.ran == 0


def test_the_store_goes_away(fleet: SignedFleet, faulty_store: StoreServer) -> None:
    began = time.monotonic()
    fleet.promote(GOOD[1])
    running = fleet.spawn("upgrade", *wide())
    first = next(iter(fleet.hosts.values()))
    wait_for(lambda: first.read("/opt/tiny/history.jsonl").count(GOOD[1]) > 0, 600)
    faulty_store.fail(503)
    said = running.communicate(timeout=3600)[0]
    assert running.returncode == 16, said
    told = fleet.run("rollouts")[-1]
    row = note("the store goes away after the canary", told, fleet, GOOD[1], began)
    assert row.lost <= max(COUNT // 5, 3) + 1
    faulty_store.heal()
    began = time.monotonic()
    told = fleet.run("resume", told["id"], timeout=5400)
    row = note("… and comes back, resumed", told, fleet, GOOD[1], began)
    assert row.held == COUNT


def test_one_disk_is_full_one_clock_wrong_one_key_wrong(
    fleet: SignedFleet, tmp_path: Path, host_network: HostNetwork, faulty_store: StoreServer
) -> None:
    began = time.monotonic()
    fleet.promote(GOOD[2])
    names = list(fleet.hosts)
    full, late, strange = names[-1], names[1], names[2]
    ballast = ["sh", "-c", "head -c 30M /dev/zero >/opt/ballast || true"]
    fleet.hosts[full].run(ballast, user="root")
    known = tmp_path / "known_hosts"
    other = fleet.hosts[names[0]].known_hosts.read_text("utf-8").split()
    lines = {name: host.known_hosts.read_text("utf-8") for name, host in fleet.hosts.items()}
    lines[strange] = " ".join([lines[strange].split()[0], *other[1:3]]) + "\n"
    known.write_text("".join(lines.values()), "utf-8")
    # All containers have this machine's clock; to be a year late is to meet a store a year ahead.
    with StoreServer(faulty_store.root, address=host_network.gateway) as ahead:
        ahead.clock_ahead = 365 * 86_400.0
        fleet.write(**{late: {"agent_store": ahead.url}})
        told = fleet.run("install", *wide(), "--known-hosts", str(known), timeout=5400)
    fleet.write()
    row = note("one full disk, one wrong clock, one wrong host key", told, fleet, GOOD[2], began)
    kinds = {host["host"]: host["kind"] for host in told["hosts"] if host["kind"]}
    print(kinds)
    assert kinds[strange] == "host_key"
    assert kinds[full] == "disk_full"
    assert row.held >= COUNT - 3
    fleet.hosts[full].run(["rm", "-f", "/opt/ballast"], user="root")
    fleet.run("resume", told["id"], "--json", code=0, timeout=5400)


def test_the_operator_s_machine_dies_again_and_again(fleet: SignedFleet) -> None:
    began = time.monotonic()
    fleet.promote(GOOD[3])
    chance = random.Random(7)
    running = fleet.spawn("upgrade", *wide())
    kills = 0
    for _ in range(4):
        time.sleep(chance.uniform(4, 25))
        if running.poll() is not None:
            break
        running.send_signal(signal.SIGKILL)
        running.communicate()
        kills += 1
        told = fleet.run("rollouts")[-1]
        running = fleet.spawn("resume", told["id"])
    said = running.communicate(timeout=5400)[0]
    assert running.returncode == 0, said
    told = fleet.run("rollouts")[-1]
    row = note(f"the operator's machine dies {kills} times", told, fleet, GOOD[3], began)
    assert row.held == COUNT
    assert all(each.count(("upgraded", GOOD[3])) == 1 for each in fleet.history())
