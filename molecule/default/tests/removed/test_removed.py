"""What uninstall leaves on each host: nothing."""

from testinfra.host import Host

from tests.support.molecule.look import HOME


def test_nothing_is_left(host: Host) -> None:
    assert not host.file(HOME).exists
    assert not host.service("frail").exists
    assert host.check_output("systemctl list-units --all --plain --no-legend 'frail*'") == ""
    with host.sudo():
        assert host.check_output("find /etc /run/systemd /var/lib /var/cache -name '*frail*'") == ""
    assert not host.socket("tcp://127.0.0.1:7171").is_listening
