"""The controller hears from all of its agents, also after it was away."""

from testinfra.host import Host

from tests.support.molecule.look_aiwm import CONTROLLER, seen_once

testinfra_hosts = [CONTROLLER]


def test_all_agents_are_online(host: Host) -> None:
    found = seen_once(host, lambda row: row["liveness"] == "online")
    assert set(found) == {"agent-1", "agent-2", "agent-3"}
    for row in found.values():
        assert (row["liveness"], row["version"]) == ("online", "0.1.0")
        assert (row["release"], row["tags"]) == ("xora-vercel-agent", ["molecule"])


def test_it_runs_as_its_own_user(host: Host) -> None:
    service = host.service("aiwm-controller")
    assert service.is_running
    assert service.is_enabled
    with host.sudo():
        assert host.file("/opt/aiwm-controller/.env").mode == 0o600
        assert host.file("/opt/aiwm-controller/.env").user == "aiwm-controller"


def test_they_are_kept_in_postgresql(host: Host) -> None:
    with host.sudo("postgres"):
        count = host.check_output("cd / && psql -tA -d aiwm -c 'SELECT count(*) FROM agents'")
    assert count == "3"
