"""What a bad version leaves on each host: the one before, and why."""

from testinfra.host import Host

from tests.support.molecule.look import HOME, answer, status


def test_the_version_before_runs(host: Host) -> None:
    assert answer(host) == "version=1.1.0"
    with host.sudo():
        found = status(host)
        assert host.file(f"{HOME}/current").linked_to == f"{HOME}/releases/1.1.0"
    assert (found["version"], found["healthy"]) == ("1.1.0", True)


def test_the_host_remembers_why(host: Host) -> None:
    with host.sudo():
        told = host.check_output("%s/agentctl history", HOME)
    last = told.splitlines()[-1]
    assert "reverted" in last
    assert "1.1.0 -> 1.2.0: its process" in last
