"""Secrets of a fleet, looked for all along and everywhere: `make fleet-faults` has 50 hosts.

Without FLEET_HOSTS there are three.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.ansible import Fleet, fleet, install_collection
from tests.support.containers import HostSpec, SshKey
from tests.support.hosts import Host
from tests.support.network import HostNetwork
from tests.support.releases import Released, publish, tiny
from tests.support.serve import StoreServer
from tests.support.sightings import Sightings, has, readable
from tests.support.signed_store import SignedStore, release
from toolkit.host.target import Rollout
from toolkit.install_script import Choices
from toolkit.order import offering

pytestmark = [pytest.mark.hosts, pytest.mark.one_suite]
COUNT = int(os.environ.get("FLEET_HOSTS", "3"))
# Each host has its own; these are what all have in common.
FIRST, SECOND, THIRD, TOKEN = "s3cret-of-", "an0ther-of-", "th1rd-one-of-", "t0ken-for-the-store"
MARKS = (FIRST, SECOND, THIRD, TOKEN)
# Where a host keeps them: for root alone, and for the service, which is told them.
KEPT = ("/opt/tiny/.env", "/opt/tiny/credentials/", "/opt/tiny/store-header", "/run/credentials/")


@pytest.fixture
def many(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    host_network: HostNetwork,
    host_key: SshKey,
    host_image: str,
) -> Iterator[Fleet]:
    collections = install_collection(tmp_path_factory.mktemp("collection"))
    spec = HostSpec(host_image, host_key, network=host_network)
    with ThreadPoolExecutor(4) as pool:
        hosts = list(pool.map(Host.boot, [spec] * COUNT))
    try:
        with fleet(tmp_path, collections, hosts) as found:
            yield found
    finally:
        for host in hosts:
            host.remove()


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    dist = tmp_path_factory.mktemp("released")
    # All hosts start it on the same few CPUs, which look at every process besides.
    seconds = 15 + 2 * COUNT
    return tiny(dist, required=["TINY_SECRET"], secret=["TINY_SECRET"], seconds=seconds)


@pytest.fixture
def variables(store: StoreServer, released: Released) -> dict[str, Any]:
    """What the inventory says of a release in a store that wants a header."""
    signed = SignedStore(store.root)
    publish(released, store)
    file, platform = released.artifact.tarball, released.artifact.platform
    channels = {"stable": Rollout()}
    target = release(released.spec.release_version, platform=platform, channels=channels)
    signed.add(file, (released.dist / file).read_bytes(), target)
    signed.publish()
    store.wanted_header = ("Authorization", f"Bearer {TOKEN}")
    choices = Choices(store.url, root=signed.root_bytes(), channel="stable")
    return {
        **offering(released.spec, released.dist, choices),
        "agent_watch": 1,
        "agent_store_header": f"Authorization: Bearer {TOKEN}",
        "agent_store_header_over_http": True,
    }


def write(hosts: Fleet, variables: dict[str, Any], secret: str) -> None:
    own = {"TINY_SECRET": secret + "{{ inventory_hostname }}"}
    hosts.write({**variables, "agent_secrets": own})
    hosts.inventory.chmod(0o600)


def toolkit_fleet(hosts: Fleet, *words: str) -> str:
    """Call `toolkit fleet` as loud as it can be; gives all that it printed."""
    argv = [sys.executable, "-m", "toolkit", "--debug", "fleet", *words]
    more = ["--ledger", str(hosts.folder / "ledger"), "-i", str(hosts.inventory), "--yes"]
    done = subprocess.run(
        [*argv, *more],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(hosts.folder)},
        timeout=600 + 30 * COUNT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def in_its_environment(host: Host) -> str:
    said = host.run(["curl", "-s", "http://127.0.0.1:7070/"]).stdout
    return str(json.loads(said)["env"]["TINY_SECRET"])


def test_no_secret_is_seen_anywhere(many: Fleet, variables: dict[str, Any]) -> None:
    hosts, texts = list(many.hosts.values()), []
    with Sightings(MARKS, hosts, [many.folder]) as sightings:
        write(many, variables, FIRST)
        played = many.play("install", "-vvv", "--diff")
        assert played.code == 0, played.output
        texts.append(played.output)
        write(many, variables, SECOND)
        played = many.play("rotate_secrets", "-vvv", "--diff")
        assert played.code == 0, played.output
        texts.append(played.output)
        write(many, variables, THIRD)
        texts.append(toolkit_fleet(many, "install", "tiny", "--max-failed", str(COUNT)))
    sys.stdout.write(f"{COUNT} hosts: all command lines read {sightings.sweeps} times\n")
    assert {in_its_environment(host) for host in hosts} == {f"{THIRD}{name}" for name in many.hosts}
    assert sightings.seen == set()
    assert not any(has(text, MARKS) for text in texts)
    # It did look: at programs of this machine, and at those of hosts.
    assert {b"ansible-playbook" in word for word in sightings.words} == {True, False}
    assert any(word.endswith(b"/agentctl") for word in sightings.words)

    left_here = [file for file in many.folder.rglob("*") if file.is_file()]
    assert many.folder / "ansible.log" in left_here
    assert many.folder / "results.jsonl" in left_here
    told = [file for file in left_here if has(file.read_bytes(), MARKS)]
    assert told == [many.inventory]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(left_on, hosts)) == {()}


def left_on(host: Host) -> tuple[str, ...]:
    """Give what is wrong on a host after all: journal, history, and files that root can read."""
    wrong = [f"{file}, for visitor" for file in readable(host, MARKS)]
    for file in readable(host, MARKS, user="root"):
        mode = host.run(["stat", "-c", "%a", file], user="root").stdout.strip()
        if not file.startswith(KEPT) or int(mode, 8) & 0o077:
            wrong.append(f"{file}, mode {mode}")
    journal = host.run(["journalctl", "--no-pager", "--output=json"], user="root").stdout
    if has(journal, MARKS):
        wrong.append("the journal")
    ask = (
        "cat /root/.*history /home/*/.*history; find /home/*/.ansible /root/.ansible -type f; true"
    )
    if host.run(["sh", "-c", ask], user="root").stdout:
        wrong.append("history of a shell, or files of Ansible")
    return tuple(wrong)
