"""What install leaves on each host."""

from testinfra.host import Host

from tests.support.molecule.look import HOME, answer, status


def test_the_version_of_the_channel_runs(host: Host) -> None:
    with host.sudo():
        found = status(host)
    assert (found["version"], found["channel"], found["healthy"]) == ("1.0.0", "stable", True)
    assert answer(host) == "version=1.0.0\n".strip()


def test_systemd_keeps_it(host: Host) -> None:
    service = host.service("frail")
    assert service.is_running
    assert service.is_enabled


def test_whose_the_files_are(host: Host) -> None:
    with host.sudo():
        settings = host.file(f"{HOME}/.env")
        assert (settings.mode, settings.is_file) == (0o600, True)
        assert host.file(f"{HOME}/current").linked_to == f"{HOME}/releases/1.0.0"
        assert host.file(f"{HOME}/releases/1.0.0/agent.py").user == "root"
        writable = host.check_output("find %s -not -type l -perm /o+w", HOME)
    assert writable == ""


def test_the_host_is_well(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
