"""Hosts under test as a fleet: an inventory, a signed store, and `toolkit fleet` on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support.hosts import Host
from tests.support.releases import Released, publish, tiny
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.host.target import Rollout
from toolkit.install_script import Choices
from toolkit.order import offering

OLD, NEW, BAD, FADING = "1.0.0", "1.1.0", "1.2.0", "1.3.0"
_FADES = "python3 {current}/agent.py & sleep 5; kill $!; exit 1"
ALL = {"stable": Rollout()}


def build_tiny(folder: Path) -> dict[str, Released]:
    """Build four versions of the small agent: a bad one ends at once, a fading one after 5 s."""
    scripts = {BAD: "echo not today; exit 1", FADING: _FADES}
    exits: dict[str, Any] = {
        version: {"exec": ["/bin/sh", "-c", script]} for version, script in scripts.items()
    }
    return {
        version: tiny(folder / version, version=version, **exits.get(version, {}))
        for version in (OLD, NEW, BAD, FADING)
    }


class SignedFleet:
    """Named hosts, and what an operator's machine has to work on them, below `folder`."""

    def __init__(
        self,
        folder: Path,
        hosts: Sequence[Host],
        store: StoreServer,
        releases: Mapping[str, Released],
    ) -> None:
        self.folder = folder
        self.hosts = {f"h{number:02}": host for number, host in enumerate(hosts)}
        self.store = store
        self.releases = releases
        self.signed = SignedStore(store.root)
        self.inventory = folder / "hosts.json"
        self.ledger = folder / "ledger"
        self.said = ""
        first = next(iter(releases.values()))
        root = self.signed.root_bytes()
        choices = Choices(url=store.url, root=root, channel="stable")
        self.variables = offering(first.spec, first.dist, choices)
        for released in releases.values():
            publish(released, store)
        self.promote(OLD)
        self.write()

    def promote(self, version: str) -> None:
        """Let the channel `stable` have this version."""
        for name, released in self.releases.items():
            file = released.artifact.tarball
            channels = ALL if name == version else {}
            target = release(name, platform=released.artifact.platform, channels=channels)
            self.signed.add(file, (released.dist / file).read_bytes(), target)
        self.signed.publish()

    def write(self, down: Iterable[str] = (), **own: Mapping[str, Any]) -> None:
        """Write the inventory; `down` are hosts that stand where nobody answers."""
        hosts = {name: connection(host) for name, host in self.hosts.items()}
        for name in down:
            hosts[name]["ansible_host"] = "10.213.255.254"
        for name, more in own.items():
            hosts[name] |= more
        everything = {"hosts": hosts, "vars": self.variables}
        self.inventory.write_text(json.dumps({"all": everything}), "utf-8")

    def argv(self, verb: str, *words: str) -> list[str]:
        where = ["tiny", "-i", str(self.inventory), "--yes"]
        named = where if verb in ("install", "upgrade", "rollback") else []
        if verb == "status":
            return [sys.executable, "-m", "toolkit", "fleet", verb, *where[:-1], *words]
        return [
            *(sys.executable, "-m", "toolkit", "fleet", verb, *named),
            *("--ledger", str(self.ledger), *words),
        ]

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.folder)}

    def run(self, verb: str, *words: str, code: int = 0, timeout: float = 900) -> Any:
        """Run a command of `toolkit fleet` with --json; gives what it printed."""
        done = subprocess.run(
            [*self.argv(verb, *words), "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=self.environ,
        )
        assert done.returncode == code, done.stdout + done.stderr
        self.said = done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def spawn(self, verb: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(verb, *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environ,
        )

    def versions(self) -> list[str]:
        return self.each(link)

    def each(self, do: Callable[[Host], Any]) -> list[Any]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(do, self.hosts.values()))

    def history(self) -> list[list[tuple[str, str]]]:
        """Give what agentctl noted on each host: what happened, of which version."""
        return self.each(events)


def connection(host: Host) -> dict[str, Any]:
    known = f"-F none -o UserKnownHostsFile={host.known_hosts} -o IdentitiesOnly=yes"
    return {
        "ansible_host": host.address,
        "ansible_user": "operator",
        "ansible_ssh_private_key_file": str(host.key.private),
        "ansible_ssh_common_args": known,
    }


def link(host: Host) -> str:
    said = host.run(["readlink", "/opt/tiny/current"], check=False).stdout
    return said.strip().rpartition("/")[2]


def events(host: Host) -> list[tuple[str, str]]:
    text = host.run(["cat", "/opt/tiny/history.jsonl"], user="root", check=False).stdout
    return [(event["what"], event["version"]) for event in map(json.loads, text.splitlines())]


def wait_for(held: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not held():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def on_trial(host: Host) -> bool:
    return host.run(["test", "-e", "/opt/tiny/trial/trial.json"], check=False).returncode == 0
