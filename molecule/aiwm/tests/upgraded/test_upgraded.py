"""The new version stayed on every host, since the controller had heard it."""

from testinfra.host import Host

from tests.support.molecule.look_aiwm import CONTROLLER, seen_once

testinfra_hosts = [CONTROLLER]


def test_all_agents_are_online_with_it(host: Host) -> None:
    found = seen_once(host, lambda row: row["version"] == "0.1.1")
    assert {(row["liveness"], row["version"]) for row in found.values()} == {("online", "0.1.1")}
    told = [row["lastUpgrade"] for row in found.values()]
    assert {(each["outcome"], each["fromVersion"]) for each in told} == {("running", "0.1.0")}
