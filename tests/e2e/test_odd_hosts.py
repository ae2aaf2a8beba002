"""Upgrades on hosts that are not as agentctl left them, or that were left at odd moments."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.driven import Driven
from tests.support.hosts import Host
from tests.support.reachable import Reachable
from tests.support.releases import Released, tiny

pytestmark = pytest.mark.hosts
UNIT = "/etc/systemd/system/tiny.service"
# Told to end, it does so with an error, as programs in Java do.
FAILING = "trap 'exit 143' TERM; /usr/bin/python3 {current}/agent.py & wait"
Make = Callable[..., Released]


@pytest.fixture
def driven(host: Host) -> Driven:
    return Driven.on(host, "tiny")


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return lambda version, **service: tiny(
        tmp_path_factory.mktemp("dist"), version=version, **service
    )


def state(host: Reachable) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.read("/opt/tiny/state.json"))
    return found


def healthy(driven: Driven) -> str:
    status = json.loads(driven.run(["status", "--home", "/opt/tiny", "--json"]).stdout)
    assert status["healthy"], status
    assert status["trial"] is None, status
    return str(status["version"])


def must(driven: Driven, verb: list[str]) -> None:
    done = driven.run(verb)
    assert done.returncode == 0, done.stdout + done.stderr


def test_agentctl_was_killed_before_systemd_knew_of_the_trial(driven: Driven, make: Make) -> None:
    old, new = driven.offer(make("1.0.0")), driven.offer(make("1.1.0"))
    must(driven, old)
    assert driven.killed("after:open", new)
    must(driven, old)
    assert healthy(driven) == "1.0.0"


def test_a_unit_that_somebody_removed(driven: Driven, make: Make) -> None:
    old, bad = driven.offer(make("1.0.0")), driven.offer(make("1.1.0", exec=["/bin/false"]))
    must(driven, old)
    driven.host.run(["rm", UNIT], user="root")
    driven.host.run(["systemctl", "daemon-reload"], user="root")
    done = driven.run(bad)
    assert done.returncode == 31, done.stdout + done.stderr
    assert healthy(driven) == "1.0.0"


def test_a_unit_that_somebody_changed(driven: Driven, make: Make) -> None:
    """What systemd calls to note the end must not wait for what waits for it."""
    old, bad = driven.offer(make("1.0.0")), driven.offer(make("1.1.0", exec=["/bin/false"]))
    must(driven, old)
    driven.host.run(["sh", "-c", f"echo '# mine' >>{UNIT}"], user="root")
    assert driven.killed("after:start", bad)
    deadline = time.monotonic() + 120
    while state(driven.host)["outcome"] != "reverted":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    time.sleep(2)
    said = driven.host.run(["journalctl", "-u", "tiny-revert@failed.service"], user="root").stdout
    assert "timed out" not in said.lower(), said
    assert "# mine" in driven.host.read(UNIT)
    assert healthy(driven) == "1.0.0"


def test_a_version_that_ends_with_an_error_costs_the_next_one_nothing(
    driven: Driven, make: Make
) -> None:
    must(driven, driven.offer(make("1.0.0", exec=["/bin/sh", "-c", FAILING])))
    must(driven, driven.offer(make("1.1.0")))
    assert healthy(driven) == "1.1.0"


def test_an_operators_drop_in_lifts_no_limit_of_a_trial(driven: Driven, make: Make) -> None:
    """Else a version that ends again and again would be restarted until its time is over."""
    old, bad = driven.offer(make("1.0.0")), driven.offer(make("1.1.0", exec=["/bin/false"]))
    must(driven, old)
    driven.host.run(["mkdir", "-p", f"{UNIT}.d"], user="root")
    lifting = "[Unit]\nStartLimitIntervalSec=0\n"
    driven.host.run(["tee", f"{UNIT}.d/override.conf"], user="root", input=lifting)
    driven.host.run(["systemctl", "daemon-reload"], user="root")
    # With nobody watching, only systemd can see it, by its own limit.
    assert driven.killed("after:start", [*bad, "--watch", "600"])
    deadline = time.monotonic() + 60
    while driven.run(["status", "--home", "/opt/tiny"]).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert healthy(driven) == "1.0.0"
    said = driven.host.run(["journalctl", "-u", "tiny-revert@failed.service"], user="root").stdout
    assert "Bring back the version" in said
    assert driven.host.read(f"{UNIT}.d/override.conf") == lifting


def test_a_damaged_description_stops_nobody_from_going_back(driven: Driven, make: Make) -> None:
    old, new = driven.offer(make("1.0.0")), driven.offer(make("1.1.0"))
    must(driven, old)
    must(driven, new)
    path = "/opt/tiny/releases/1.1.0/toolkit/release.json"
    driven.host.run(["sh", "-c", f"echo '{{' >{path}"], user="root")
    said = driven.run(["status", "--home", "/opt/tiny"])
    assert "is not a release description" in said.stdout, said.stderr
    must(driven, ["rollback", "--home", "/opt/tiny"])
    assert healthy(driven) == "1.0.0"
    must(driven, [*new, "--again"])
    assert healthy(driven) == "1.1.0"
    # Damaged, and what comes in its place does not hold: it comes back as it was.
    driven.host.run(["sh", "-c", f"echo '{{' >{path}"], user="root")
    done = driven.run(driven.offer(make("1.2.0", exec=["/bin/false"])))
    assert done.returncode == 31, done.stdout + done.stderr
    link = driven.host.run(["readlink", "/opt/tiny/current"]).stdout.strip()
    assert link == "releases/1.1.0"
    assert driven.host.run(["systemctl", "is-active", "tiny"]).stdout.strip() == "active"
