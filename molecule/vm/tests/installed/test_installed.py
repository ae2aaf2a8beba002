"""What install leaves on a machine with a kernel of its own."""

from testinfra.host import Host

from tests.support.molecule.look import status

HOME = "/opt/tiny"


def test_the_version_of_the_channel_runs(host: Host) -> None:
    with host.sudo():
        found = status(host, HOME)
    assert (found["version"], found["channel"], found["healthy"]) == ("1.0.0", "stable", True)
    assert host.service("tiny").is_enabled


def test_it_is_no_container(host: Host) -> None:
    assert host.check_output("systemd-detect-virt --vm") in ("kvm", "uml")
    assert host.run("systemd-detect-virt --container").stdout.strip() == "none"
