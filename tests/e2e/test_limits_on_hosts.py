"""An agent that tells systemd how it is, and the limits that its release sets."""

from __future__ import annotations

import json

import pytest

from tests.support.hosts import Host
from tests.support.releases import SCRIPT, Released, build_sample, install, put_script
from tests.support.serve import StoreServer
from toolkit.verify import verify

pytestmark = pytest.mark.hosts
HANG = "/opt/notify/workspace/hang"
LATE = "/opt/notify/workspace/late"


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return build_sample("notify", tmp_path_factory.mktemp("notify"))


def shown(host: Host, *names: str) -> dict[str, str]:
    words = [f"--property={name}" for name in names]
    lines = host.run(["systemctl", "show", "notify", *words]).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


def healthy(host: Host) -> bool:
    return host.run(["/opt/notify/agentctl", "status"], user="root", check=False).returncode == 0


def wait_until(host: Host, ends: str) -> None:
    """Look ten times a second, for half a minute, until the shell command holds."""
    look = f"for n in $(seq 300); do {ends} && exit 0; sleep 0.1; done; exit 1"
    host.run(["sh", "-c", look], user="root", timeout=90)


def test_it_is_ready_when_it_says_so(released: Released, host: Host, store: StoreServer) -> None:
    put_script(released, store, host)
    done = install(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verify(released.spec, f"podman://{host.name}").failed == ()
    assert shown(host, "Type", "TasksMax", "WatchdogUSec", "StartLimitBurst") == {
        "Type": "notify",
        "TasksMax": "16",
        "WatchdogUSec": "2s",
        "StartLimitBurst": "50",
    }
    host.run(["touch", LATE])
    host.run(["systemctl", "restart", "--no-block", "notify"], user="root")
    wait_until(host, "systemctl show notify -p ActiveState | grep -q activating")
    assert not healthy(host)
    host.run(["rm", LATE])
    wait_until(host, "/opt/notify/agentctl status")


def test_one_that_is_never_ready_is_no_success(
    released: Released, host: Host, store: StoreServer
) -> None:
    put_script(released, store, host)
    assert install(host).returncode == 0
    host.run(["touch", LATE])
    host.run(["systemctl", "stop", "notify"], user="root")
    done = install(host)
    assert done.returncode == 30, done.stdout + done.stderr
    assert "did not become healthy within 15 s: its process does not run" in done.stderr


def test_one_that_hangs_is_started_again(
    released: Released, host: Host, store: StoreServer
) -> None:
    put_script(released, store, host)
    assert install(host).returncode == 0
    first = shown(host, "MainPID")
    host.run(["touch", HANG])
    wait_until(host, "systemctl show notify -p NRestarts | grep -qx NRestarts=1")
    wait_until(host, "/opt/notify/agentctl status")
    assert shown(host, "MainPID") != first
    state = json.loads(host.read("/opt/notify/state.json"))
    assert state["outcome"] == "running"
    assert host.run([SCRIPT], check=False).returncode == 0
