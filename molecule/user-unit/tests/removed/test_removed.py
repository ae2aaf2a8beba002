"""What uninstall leaves on the host: nothing."""

from testinfra.host import Host


def test_nothing_is_left(host: Host) -> None:
    left = host.check_output("find /home/operator -name '*frail*' -not -path '*/.ansible/*'")
    assert left == ""
    assert host.check_output("systemctl --user list-units --all --plain --no-legend 'frail*'") == ""
    assert not host.socket("tcp://127.0.0.1:7171").is_listening
