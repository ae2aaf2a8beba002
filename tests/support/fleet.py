"""A fleet of hosts under test: their inventory, and `toolkit fleet` as an operator calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.hosts import Host

# ssh's files of whoever runs the tests must have no say.
_ENVIRONMENT = {"ANSIBLE_CONFIG": "ansible.cfg", "SSH_AUTH_SOCK": "", "LC_ALL": "C.UTF-8"}


class Operator:
    """A folder with an inventory and the known keys of its hosts, and the commands typed there."""

    def __init__(self, folder: Path, hosts: Mapping[str, Host], **variables: Any) -> None:
        self.folder = folder
        self.hosts = dict(hosts)
        self.variables = variables
        self.own: dict[str, dict[str, Any]] = {name: {} for name in hosts}
        self.known_hosts = folder / "known_hosts"
        self.ssh_config = folder / "ssh_config"
        self.ssh_config.touch()
        (folder / "ansible.cfg").touch()
        self.write()

    def write(self) -> None:
        """Write the inventory and the keys of all hosts."""
        key = next(iter(self.hosts.values())).key.private
        common = {"ansible_user": "operator", "ansible_private_key_file": str(key)}
        rows = {
            name: {"ansible_host": host.address, **self.own[name]}
            for name, host in self.hosts.items()
        }
        tree = {"all": {"vars": {**common, **self.variables}, "hosts": rows}}
        (self.folder / "hosts.json").write_text(json.dumps(tree), encoding="utf-8")
        known = [host.known_hosts.read_text("utf-8") for host in self.hosts.values()]
        self.known_hosts.write_text("".join(known), encoding="utf-8")

    def argv(self, *words: str) -> list[str]:
        """Give the command line of `toolkit fleet WORDS`."""
        verb, *rest = words
        options = ["-i", "hosts.json", "--known-hosts", str(self.known_hosts)]
        options += ["--ssh-config", str(self.ssh_config)]
        return [sys.executable, "-m", "toolkit", "fleet", verb, *options, *rest]

    def run(
        self, *words: str, input: str = "", timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `toolkit fleet WORDS`, and give what it printed."""
        return subprocess.run(
            self.argv(*words),
            cwd=self.folder,
            env=self.environment(),
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        """Give the environment of an operator with nothing of their own in it."""
        return {**os.environ, **_ENVIRONMENT, "HOME": str(self.folder)}

    def json(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """Run it with --json, and give what it printed; its exit code must be `code`."""
        before, after = _split(words)
        done = self.run(*before, "--json", *after)
        assert done.returncode == code, done.stdout + done.stderr
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers


def _split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    place = words.index("--") if "--" in words else len(words)
    return words[:place], words[place:]
