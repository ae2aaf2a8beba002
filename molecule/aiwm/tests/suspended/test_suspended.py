"""A suspended agent is served no more, and shown so; the others are as they were."""

from testinfra.host import Host

from tests.support.molecule.look_aiwm import CONTROLLER, seen

testinfra_hosts = [CONTROLLER]


def test_one_is_suspended_and_not_heard(host: Host) -> None:
    found = {name: (row["status"], row["liveness"]) for name, row in seen(host).items()}
    assert found == {
        "agent-1": ("active", "online"),
        "agent-2": ("active", "online"),
        "agent-3": ("suspended", "offline"),
    }
