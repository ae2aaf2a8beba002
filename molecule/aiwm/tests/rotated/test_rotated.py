"""With new credentials, every agent is heard again, and runs the version that it did."""

from testinfra.host import Host

from tests.support.molecule.look_aiwm import CONTROLLER, seen_once

testinfra_hosts = [CONTROLLER]


def test_all_agents_are_online(host: Host) -> None:
    found = seen_once(host, lambda row: row["liveness"] == "online")
    assert {row["liveness"] for row in found.values()} == {"online"}
    assert {row["version"] for row in found.values()} == {"0.1.0"}
    # The first connection, and the one after the secret was exchanged.
    assert all(row["connectionCount"] >= 2 for row in found.values())
