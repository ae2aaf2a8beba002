"""Docker Engine runs, with the role's settings, and will run after a boot."""

import json

from testinfra.host import Host


def test_it_runs(host: Host) -> None:
    service = host.service("docker")
    assert service.is_running
    assert service.is_enabled


def test_it_runs_with_the_settings(host: Host) -> None:
    with host.sudo():
        info = json.loads(host.check_output("docker info --format '{{json .}}'"))
        settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert (info["LiveRestoreEnabled"], info["LoggingDriver"]) == (True, "json-file")
    assert info["Driver"] == "vfs"
    assert settings["log-opts"] == {"max-file": "3", "max-size": "10m"}
