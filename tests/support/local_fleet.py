"""A fleet on this machine: each host is a folder in which the agent `local` runs, without root."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.local_agent import publish_local
from tests.support.releases import Released
from toolkit import engine


class LocalFleet:
    """Hosts h0, h1, … with an inventory, a store and a folder for ledgers, all below `folder`."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.names = [f"h{number}" for number in range(count)]
        self.store = folder / "store"
        self.ledger = folder / "ledger"
        self.inventory = folder / "hosts.json"

    def home(self, name: str) -> Path:
        return self.folder / "hosts" / name

    def offer(
        self, released: Released, *, down: Iterable[str] = (), **own: Mapping[str, Any]
    ) -> None:
        """Put a release into the store and let the inventory say that all hosts are to have it.

        `down` are hosts that can't be reached; `own` are variables of hosts, by their names.
        """
        publish_local(self.store, released)
        file = released.artifact.tarball
        sha256 = hashlib.sha256((released.dist / file).read_bytes()).hexdigest()
        agentctl = engine.build()
        common = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "agent_name": "local",
            "agent_store": str(self.store),
            "agent_version": released.spec.release_version,
            "agent_tarballs": [[released.artifact.platform or "any", file, sha256]],
            "agent_agentctl": {"name": agentctl.name, "sha256": agentctl.sha256},
            "agent_process_manager": "direct",
            "agent_secrets": {"LOCAL_SECRET": "first-secret"},
        }
        hosts: dict[str, dict[str, Any]] = {
            name: {"agent_home": str(self.home(name)), **own.get(name, {})} for name in self.names
        }
        for name in down:
            hosts[name] |= {"ansible_connection": "ssh", "ansible_host": "127.0.0.1"}
            hosts[name] |= {"ansible_port": 9, "ansible_python_interpreter": "auto"}
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}), "utf-8")

    def argv(self, verb: str, *words: str) -> list[str]:
        named = verb in ("resume", "rollouts")
        where = [] if named else ["local", "-i", str(self.inventory), "--yes"]
        head = [sys.executable, "-m", "toolkit", "fleet", verb, *where]
        return [*head, "--ledger", str(self.ledger), *words]

    def run(self, verb: str, *words: str, code: int = 0) -> Any:
        """Run a command of `toolkit fleet` with --json; gives what it printed."""
        done = subprocess.run(
            [*self.argv(verb, *words), "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            env={**os.environ, "HOME": str(self.folder)},
        )
        assert done.returncode == code, done.stdout + done.stderr
        self.said = done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def versions(self) -> list[str | None]:
        found = []
        for name in self.names:
            link = self.home(name) / "current"
            found.append(link.resolve().name if link.exists() else None)
        return found

    def events(self, name: str) -> list[tuple[str, str]]:
        """Give what agentctl noted on a host: what happened, of which version."""
        lines = (self.home(name) / "history.jsonl").read_text("utf-8").splitlines()
        return [(event["what"], event["version"]) for event in map(json.loads, lines)]

    def end(self) -> None:
        """Take the agent from all hosts."""
        for name in self.names:
            agentctl = self.home(name) / "agentctl"
            if agentctl.exists():
                subprocess.run(
                    [sys.executable, str(agentctl), "uninstall"],
                    check=False,
                    timeout=60,
                    capture_output=True,
                )
