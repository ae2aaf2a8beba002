"""Eight bad releases, each upgraded to in two ways: the old version always comes back by itself.

FAULT_SECONDS=60 makes the long proof of it, with the watch window that releases have by default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.driven import Driven
from tests.support.faults import (
    BLAMELESS,
    FAULTS,
    Outcome,
    Timing,
    abandoned,
    frail,
    state,
    version_of,
)
from tests.support.faults import watched as watched_way
from tests.support.hosts import BootHost, Host
from tests.support.network import HostNetwork
from tests.support.releases import Released
from tests.support.serve import StoreServer

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
SECONDS = int(os.environ.get("FAULT_SECONDS", "0"))
# The process that ends later does so after a third of the window, and then once more.
TIMING = Timing(SECONDS, min(SECONDS, 30), SECONDS / 3) if SECONDS else Timing()
Way = Callable[[Driven, Released, Released], Outcome]
# These take the host's room or memory, so each has a small host of its own.
GREEDY: dict[str, dict[str, Any]] = {
    "disk-full": {"tmpfs": {"/opt": "24m"}},
    "out-of-memory": {"memory": "200m"},
}


@pytest.fixture(scope="session")
def controller(
    tmp_path_factory: pytest.TempPathFactory, host_network: HostNetwork
) -> Iterator[StoreServer]:
    """A controller that takes nobody's token."""
    root = tmp_path_factory.mktemp("controller")
    with StoreServer(root, address=host_network.gateway) as server:
        server.fail(401)
        yield server


@pytest.fixture(scope="session")
def releases(
    tmp_path_factory: pytest.TempPathFactory, controller: StoreServer
) -> dict[str, Released]:
    """The good old release, under no name, and a bad one for each fault."""
    work = tmp_path_factory.mktemp("frail")
    return {fault: frail(work, fault, TIMING, controller.url) for fault in ("", *FAULTS)}


def try_all(host: Host, releases: dict[str, Released], way: Way, *faults: str) -> None:
    driven = Driven.on(host, "frail")
    for fault in faults:
        outcome = way(driven, releases[""], releases[fault])
        assert outcome.late < 60, outcome
        print(f"{fault:<16}{outcome.way:<20}{outcome.late:>7.1f} s  {outcome.reason}")
        nobody_saw = way is abandoned and "nobody confirmed" in outcome.reason
        blamed = version_of(fault) in {entry["version"] for entry in state(host)["failed"].values()}
        assert blamed == (fault not in BLAMELESS and not nobody_saw), outcome
        host.run(["rm", "-f", "/opt/frail/workspace/ballast"], user="root")


@pytest.mark.parametrize("way", [watched_way, abandoned])
def test_what_fails_by_itself_goes(way: Way, releases: dict[str, Released], host: Host) -> None:
    modest = [fault for fault in FAULTS if fault not in GREEDY]
    try_all(host, releases, way, *modest)


@pytest.mark.parametrize("fault", GREEDY)
@pytest.mark.parametrize("way", [watched_way, abandoned])
def test_what_takes_all_that_the_host_has_goes(
    fault: str, way: Way, releases: dict[str, Released], boot_host: BootHost
) -> None:
    try_all(boot_host(**GREEDY[fault]), releases, way, fault)
