"""Upgrades on a real host: a good version stays, a bad one goes, whoever is left to see to it."""

from __future__ import annotations

import pytest

from tests.support.hosts import Host
from tests.support.releases import Released, install, put_script, tiny
from tests.support.serve import StoreServer

pytestmark = pytest.mark.hosts
OLD, NEW = "1.0.0", "1.1.0"


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("old"), version=OLD)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("good"), version=NEW)


@pytest.fixture(scope="session")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("crashing"), version=NEW, exec=["/bin/false"])


def test_a_good_version_stays_and_leaves_no_trace_of_its_trial(
    old: Released, good: Released, host: Host, store: StoreServer
) -> None:
    put_script(old, store, host)
    install(host)
    put_script(good, store, host)
    done = install(host)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    print(host.run(["systemctl", "list-units", "--all", "tiny*"]).stdout)
    print(host.run(["find", "/etc/systemd/system", "-name", "*tiny*"]).stdout)
    print(host.run(["ls", "-la", "/opt/tiny"]).stdout)
    print(host.run(["sudo", "/opt/tiny/agentctl", "history"]).stdout)


def test_a_crashing_version(
    old: Released, crashing: Released, host: Host, store: StoreServer
) -> None:
    put_script(old, store, host)
    install(host)
    put_script(crashing, store, host)
    done = install(host)
    print(done.stdout, done.stderr)
    assert done.returncode == 31
    print(host.run(["systemctl", "list-units", "--all", "tiny*"]).stdout)
    print(host.run(["find", "/etc/systemd/system", "-name", "*tiny*"]).stdout)
    print(host.run(["ls", "-la", "/opt/tiny"]).stdout)
    print(host.run(["sudo", "/opt/tiny/agentctl", "history"]).stdout)
    print(host.run(["sudo", "cat", "/opt/tiny/state.json"]).stdout)
    done = install(host)
    print(done.stdout, done.stderr)
    assert done.returncode == 32
    print(host.journal())
