"""What install leaves on the host for a user's own systemd."""

from testinfra.host import Host

from tests.support.molecule.look import answer, status

HOME = "/home/operator/.local/share/frail"


def test_it_runs_as_the_user(host: Host) -> None:
    found = status(host, HOME)
    assert (found["manager"], found["healthy"], found["user"]) == ("systemd-user", True, "operator")
    assert host.process.get(pid=found["pid"]).user == "operator"
    assert answer(host) == "version=1.0.0"


def test_the_users_systemd_keeps_it(host: Host) -> None:
    assert host.check_output("systemctl --user is-enabled frail") == "enabled"
    assert not host.service("frail").exists


def test_root_has_no_part_in_it(host: Host) -> None:
    assert host.check_output("find %s -not -user operator", HOME) == ""
    with host.sudo():
        assert host.check_output("find /etc /opt -name '*frail*'") == ""
