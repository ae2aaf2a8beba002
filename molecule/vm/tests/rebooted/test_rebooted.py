"""What is there after a reboot: the service, which nobody started."""

import json

from testinfra.host import Host

from tests.support.molecule.look import answer, status

HOME = "/opt/tiny"


def test_it_runs_again(host: Host) -> None:
    with host.sudo():
        found = status(host, HOME)
    assert (found["version"], found["healthy"]) == ("1.0.0", True)
    said = json.loads(answer(host, "http://127.0.0.1:7070/"))
    assert said["from"] == f"{HOME}/releases/1.0.0/agent.py"


def test_it_started_with_the_machine(host: Host) -> None:
    up = float(host.check_output("cat /proc/uptime").split()[0])
    began = host.check_output(
        "systemctl show tiny --property ActiveEnterTimestampMonotonic --value"
    )
    assert 0 < int(began) / 1e6 < up
