"""What install leaves on hosts that reach no store."""

from testinfra.host import Host

from tests.support.molecule.look import answer, status


def test_the_version_runs(host: Host) -> None:
    with host.sudo():
        found = status(host)
    assert (found["version"], found["healthy"]) == ("1.0.0", True)
    assert answer(host) == "version=1.0.0"


def test_there_was_no_network_to_get_it_from(host: Host) -> None:
    assert "default" not in host.check_output("ip route")
