"""Runs the collection's playbooks, built and installed as users do it, against hosts under test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.hosts import Host

TOP = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent


def install_collection(folder: Path, programs: Path = BIN) -> Path:
    """Build the collection from this checkout, and install it below `folder`; gives its place."""
    built = folder / "built"
    galaxy = [str(programs / "ansible-galaxy"), "collection"]
    environ = {**os.environ, "HOME": str(folder)}
    for words in (
        ["build", "--output-path", str(built), str(TOP)],
        ["install", "--offline", "--collections-path", str(folder / "collections")],
    ):
        argv = [
            *galaxy,
            *words,
            *(map(str, built.glob("*.tar.gz")) if "--offline" in words else ()),
        ]
        subprocess.run(argv, check=True, capture_output=True, cwd=folder, env=environ, timeout=120)
    return folder / "collections"


@dataclass(frozen=True)
class Played:
    """What a playbook did: exit code, all that it printed, and each host's last result."""

    code: int
    output: str
    results: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Fleet:
    """An inventory of hosts, in a folder of its own, with the collection beside it."""

    folder: Path
    collections: Path
    hosts: Mapping[str, Host]
    control: Path
    programs: Path = BIN

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.json"

    def write(self, variables: Mapping[str, Any]) -> None:
        """Write the inventory: the group `agents`, with variables."""
        hosts = {name: _connection(host) for name, host in self.hosts.items()}
        agents = {"hosts": hosts, "vars": dict(variables)}
        self.inventory.write_text(json.dumps({"all": {"children": {"agents": agents}}}), "utf-8")

    def write_groups(self, groups: Mapping[str, tuple[Sequence[str], Mapping[str, Any]]]) -> None:
        """Write the inventory: groups by name, each with its hosts and variables."""
        children = {
            group: {
                "hosts": {name: _connection(self.hosts[name]) for name in names},
                "vars": dict(variables),
            }
            for group, (names, variables) in groups.items()
        }
        self.inventory.write_text(json.dumps({"all": {"children": children}}), "utf-8")

    def argv(self, playbook: str, *words: str) -> list[str]:
        """Give the command line that plays a playbook of the collection, or several in a row."""
        program = str(self.programs / "ansible-playbook")
        names = [f"aiwm.toolkit.{name}" for name in playbook.split()]
        return [program, *names, "-i", str(self.inventory), *words]

    def environ(self, tree: Path) -> dict[str, str]:
        """Give the environment of a play, whose results go to the folder `tree`."""
        return {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": str(self.folder),
            "ANSIBLE_CONFIG": str(TOP / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.tree,aiwm.toolkit.results",
            "AIWM_TOOLKIT_RESULTS": str(self.folder / "results.jsonl"),
            "ANSIBLE_LOG_PATH": str(self.folder / "ansible.log"),
            "ANSIBLE_CALLBACK_TREE_DIR": str(tree),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.control),
            "ANSIBLE_NOCOLOR": "1",
        }

    def play(self, playbook: str, *words: str) -> Played:
        """Play a playbook of the collection."""
        tree = self.folder / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        done = subprocess.run(
            self.argv(playbook, *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.environ(tree),
            timeout=900,
            check=False,
        )
        files = sorted(tree.iterdir()) if tree.is_dir() else []
        results = {file.name: json.loads(file.read_text("utf-8")) for file in files}
        return Played(done.returncode, done.stdout, results)


@contextmanager
def fleet(
    folder: Path, collections: Path, hosts: Sequence[Host], programs: Path = BIN
) -> Iterator[Fleet]:
    """Give a fleet; its ssh connections end with the block."""
    # The path of a socket is short, and a test's folder is not.
    control = Path(tempfile.mkdtemp(prefix="cp-"))
    named = {f"host{number}": host for number, host in enumerate(hosts, 1)}
    try:
        yield Fleet(folder, collections, named, control, programs)
    finally:
        for socket in control.iterdir():
            subprocess.run(
                ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "none"],
                check=False,
                capture_output=True,
                timeout=10,
            )
        shutil.rmtree(control, ignore_errors=True)


def _connection(host: Host) -> dict[str, str]:
    known = f"-F none -o UserKnownHostsFile={host.known_hosts} -o IdentitiesOnly=yes"
    return {
        "ansible_host": host.address,
        "ansible_user": "operator",
        "ansible_ssh_private_key_file": str(host.key.private),
        "ansible_ssh_common_args": known,
    }
