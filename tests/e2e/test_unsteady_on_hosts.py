"""Good upgrades while store and controller are out of order every now and then: none is undone.

UPGRADES=200 and OUTAGE=30 make the long proof of it.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.controller import Controller
from tests.support.driven import Driven
from tests.support.faults import answers
from tests.support.hosts import Host
from tests.support.network import HostNetwork
from tests.support.releases import SAMPLES, Released, build
from tests.support.serve import StoreServer
from toolkit.config import parse_agent
from toolkit.spec import AgentSpec

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
UPGRADES = int(os.environ.get("UPGRADES", "4"))
OUTAGE = float(os.environ.get("OUTAGE", "4"))
TOKEN = "let-this-agent-in"
OLD, NEW = "1.0.0", "1.1.0"


@pytest.fixture
def controller(host_network: HostNetwork) -> Iterator[Controller]:
    with Controller(host_network.gateway, TOKEN) as server:
        yield server


def heard(work: Path, version: str, controller: Controller, says: str = "{version}") -> Released:
    """Build a release whose gate asks for heartbeats; it calls itself `says`."""
    project = work / version
    shutil.copytree(SAMPLES / "frail", project)
    file = project / "release" / "frail.toml"
    data = parse_agent(file.read_text("utf-8"), file=str(file)).model_dump(mode="json")
    data["version"] = version
    data["service"]["exec"] = [
        *("/usr/bin/python3", "{current}/agent.py", "--version", says),
        *("--beat", controller.url),
    ]
    data["service"] |= {"secret": ["FRAIL_TOKEN"], "credentials": "env"}
    gate = {"url": controller.url, "token": "FRAIL_TOKEN", "beats": 2, "patience": 300}
    data["health"] |= {"watch": 2, "timeout": 10, "controller": gate, "contains": "version="}
    return build(AgentSpec.model_validate(data), project, project / "dist")


def from_store(store: StoreServer, released: Released) -> list[str]:
    """Put a release into the store; gives the verb that installs it."""
    tarball = released.dist / released.artifact.tarball
    shutil.copy(tarball, store.root)
    sha256 = (released.dist / f"{tarball.name}.sha256").read_text("ascii").split()[0]
    where = ["--store", store.url, "--tarball", "any", tarball.name, sha256]
    version = released.spec.release_version
    return ["install", "frail", "--version", version, *where, "--user", "operator"]


@contextmanager
def unsteady(store: StoreServer, controller: Controller) -> Iterator[None]:
    """Have both answer 429 and 503 in turn, each time for OUTAGE seconds, with as long a rest."""
    stop = threading.Event()

    def work() -> None:
        for status in itertools.cycle((429, 503)):
            store.fail(status)
            controller.answer = status
            stop.wait(OUTAGE)
            store.heal()
            controller.answer = None
            if stop.wait(OUTAGE):
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def history(host: Host) -> list[dict[str, str]]:
    said = host.run(["/opt/frail/agentctl", "history", "--json"], user="root").stdout
    found: list[dict[str, str]] = json.loads(said)
    return found


def first_install(driven: Driven, verb: list[str]) -> None:
    host = driven.host
    settings = host.run(
        ["sh", "-c", 'printf "FRAIL_TOKEN=%s\\0" "$1" >/root/settings', "sh", TOKEN], user="root"
    )
    assert settings.returncode == 0
    call = 'exec python3 /srv/driven/agentctl "$@" --settings-stdin </root/settings'
    done = host.run(["sh", "-c", call, "sh", *verb], user="root", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_outage_undoes_a_good_version(
    host: Host, store: StoreServer, controller: Controller, tmp_path: Path
) -> None:
    verbs = {
        version: from_store(store, heard(tmp_path, version, controller)) for version in (OLD, NEW)
    }
    driven = Driven.on(host, "frail")
    first_install(driven, verbs[OLD])
    fetches = 0
    with unsteady(store, controller):
        for number in range(UPGRADES):
            version = NEW if number % 2 == 0 else OLD
            host.run(["rm", "-rf", f"/opt/frail/releases/{version}"], user="root")
            deadline = time.monotonic() + 20 * OUTAGE + 60
            while (done := driven.run(verbs[version], timeout=400)).returncode != 0:
                assert done.returncode == 20, done.stdout + done.stderr
                assert time.monotonic() < deadline
                fetches += 1
            assert answers(host) == version
    events = history(host)
    assert [event["what"] for event in events] == ["installed", *["upgraded"] * UPGRADES]
    found = json.loads(host.read("/opt/frail/state.json"))
    assert found["failed"] == {}
    assert controller.refused > 0
    print(f"{UPGRADES} upgrades, {fetches} fetches failed, {controller.refused} requests refused")


def test_a_version_that_the_controller_never_hears_of_goes(
    host: Host, store: StoreServer, controller: Controller, tmp_path: Path
) -> None:
    driven = Driven.on(host, "frail")
    first_install(driven, from_store(store, heard(tmp_path, OLD, controller)))
    verb = from_store(store, heard(tmp_path, NEW, controller, says=OLD))
    done = driven.run(verb)
    assert done.returncode == 31, done.stdout + done.stderr
    assert "the controller saw 0 of 2 heartbeats of 1.1.0" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert [event["what"] for event in history(host)] == ["installed", "reverted"]
    assert json.loads(host.read("/opt/frail/state.json"))["failed"] != {}
