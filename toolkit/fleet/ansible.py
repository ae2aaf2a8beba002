"""The door to hosts through Ansible: a play of the collection for each wave, or part of one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.errors import MissingToolError
from toolkit.fleet.crew import Patience
from toolkit.fleet.orders import Orders
from toolkit.fleet.plays import outcome, overlay, parse_results
from toolkit.fleet.where import Where
from toolkit.hosts import Host
from toolkit.reaching import Failure, Kind
from toolkit.remote import Outcome
from toolkit.resources import collection
from toolkit.rollout_state import State

_LAST_LINES = 3
_BY_HAND = "run the playbook by hand: ansible-playbook aiwm.toolkit.status"


@dataclass(frozen=True)
class AnsibleDoor:
    """Plays the collection's playbooks on `hosts`; connection plugins are the inventory's own."""

    hosts: Mapping[str, Host]
    orders: Orders
    where: Where
    patience: Patience = field(default_factory=Patience)
    parallel: int = 25
    together: bool = True

    def check(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Play it in check mode."""
        return self._play(self.orders.verb, hosts, self._versions(hosts, state), ("--check",))

    def status(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        """Play `status`."""
        return self._play("status", hosts, {})

    def glance(self, hosts: Sequence[str]) -> Iterator[Outcome]:
        """Play `status`, too."""
        return self.status(hosts)

    def visit(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Play what the rollout is for."""
        return self._play(self.orders.verb, hosts, self._versions(hosts, state))

    def undo(self, hosts: Sequence[str], state: State) -> Iterator[Outcome]:
        """Play `rollback`, to the version that each had."""
        back = Orders(self.orders.name, "rollback", self.orders.wish, self.orders.offered)
        before = {host: state.before[host] for host in hosts}
        return self._play("rollback", hosts, before, orders=back)

    def close(self) -> None:
        """Do nothing: each play has ended what it began."""

    def _versions(self, hosts: Sequence[str], state: State) -> dict[str, str]:
        said = {
            host: self.orders.version(self.hosts[host], state.targets.get(host)) for host in hosts
        }
        # Here an upgrade is an installation, which keeps the channel that it is given.
        keeps = self.orders.verb == "upgrade" and not self.orders.wish.version
        return {} if keeps else {host: version for host, version in said.items() if version}

    def _play(
        self,
        playbook: str,
        hosts: Sequence[str],
        versions: Mapping[str, str],
        words: Sequence[str] = (),
        orders: Orders | None = None,
    ) -> Iterator[Outcome]:
        began = time.monotonic()
        chosen = [self.hosts[host] for host in hosts]
        with tempfile.TemporaryDirectory(prefix="toolkit-play-") as name:
            folder = Path(name)
            said = overlay(orders or self.orders, chosen, versions)
            # Named so that no plugin takes it for anything but JSON.
            (folder / "overlay.json").write_text(json.dumps(said), encoding="utf-8")
            (folder / "limit").write_text("\n".join(hosts) + "\n", encoding="utf-8")
            results = folder / "results.jsonl"
            otherwise = self._run(self._argv(playbook, folder, words), folder, results)
            text = results.read_text("utf-8") if results.exists() else ""
        found, seconds = parse_results(text), time.monotonic() - began
        for host in chosen:
            yield outcome(host, found, seconds, otherwise)

    def _argv(self, playbook: str, folder: Path, words: Sequence[str]) -> list[str]:
        inventories = [*self.where.inventory, str(folder / "overlay.json")]
        return [
            _program(),
            f"aiwm.toolkit.{playbook}",
            *(word for source in inventories for word in ("-i", source)),
            *(f"--vault-password-file={file}" for file in self.where.vaults),
            *("--limit", f"@{folder / 'limit'}", "--forks", str(self.parallel)),
            *("-e", '{"agent_hosts": "all", "agent_serial": "100%"}', *words),
        ]

    def _run(self, argv: Sequence[str], folder: Path, results: Path) -> Failure:
        """Run it; gives what is to be said of hosts of which the play says nothing."""
        limit = self.patience.visit + self.patience.margin
        with (folder / "output").open("w+b") as output:
            try:
                subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment(folder, results),
                    timeout=limit,
                    check=False,
                    start_new_session=True,  # Ctrl-C is for toolkit, which waits for the play
                )
            except subprocess.TimeoutExpired:
                return Failure(Kind.TIMEOUT, f"the play did not end in {limit:.0f} s", _BY_HAND)
            output.seek(0)
            lines = output.read().decode("utf-8", "replace").strip().splitlines()
        said = " ".join(lines[-_LAST_LINES:]) or "Ansible said nothing"
        return Failure(Kind.BROKEN, f"the play says nothing of it: {said}", _BY_HAND)

    def _environment(self, folder: Path, results: Path) -> dict[str, str]:
        environ = {
            **os.environ,
            "AIWM_TOOLKIT_RESULTS": str(results),
            "ANSIBLE_CALLBACKS_ENABLED": "aiwm.toolkit.results",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_PIPELINING": os.environ.get("ANSIBLE_PIPELINING", "1"),
        }
        ours = collection()
        if ours is not None:
            place = folder / "collections" / "ansible_collections" / "aiwm"
            place.mkdir(parents=True)
            (place / "toolkit").symlink_to(ours)
            known = os.environ.get("ANSIBLE_COLLECTIONS_PATH")
            paths = [str(folder / "collections"), *([known] if known else [])]
            environ["ANSIBLE_COLLECTIONS_PATH"] = os.pathsep.join(paths)
        if self.where.known_hosts or self.where.ssh_config:
            environ["ANSIBLE_SSH_EXTRA_ARGS"] = _ssh(self.where)
        return environ


def _ssh(where: Where) -> str:
    words = []
    if where.ssh_config:
        words += ["-F", where.ssh_config]
    if where.known_hosts:
        words += ["-o", f"UserKnownHostsFile={where.known_hosts}"]
        words += ["-o", "GlobalKnownHostsFile=none"]
    return " ".join(words)


def _program() -> str:
    beside = Path(sys.executable).parent / "ansible-playbook"
    found = str(beside) if beside.exists() else shutil.which("ansible-playbook")
    if found is None:
        raise MissingToolError(
            "ansible-playbook is not on this machine",
            why="--through ansible needs it",
            hint="install ansible-core in the environment of toolkit",
        )
    return found
