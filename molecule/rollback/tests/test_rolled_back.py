"""What a rollback leaves on each host."""

from testinfra.host import Host

from tests.support.molecule.look import HOME, answer, status


def test_the_older_version_runs(host: Host) -> None:
    assert answer(host) == "version=1.0.0"
    with host.sudo():
        found = status(host)
    assert (found["version"], found["healthy"]) == ("1.0.0", True)


def test_both_versions_are_on_the_host(host: Host) -> None:
    with host.sudo():
        there = host.check_output("ls %s/releases", HOME).split()
    assert there == ["1.0.0", "1.1.0"]


def test_the_host_remembers(host: Host) -> None:
    with host.sudo():
        told = host.check_output("%s/agentctl history", HOME)
    assert "rolled back" in told
