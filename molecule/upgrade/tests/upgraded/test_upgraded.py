"""What an upgrade leaves on each host."""

from testinfra.host import Host

from tests.support.molecule.look import HOME, answer, status


def test_the_new_version_runs(host: Host) -> None:
    assert answer(host) == "version=1.1.0"
    with host.sudo():
        found = status(host)
    assert (found["version"], found["healthy"]) == ("1.1.0", True)


def test_the_old_version_stays_to_go_back_to(host: Host) -> None:
    with host.sudo():
        assert host.file(f"{HOME}/releases/1.0.0/agent.py").is_file
