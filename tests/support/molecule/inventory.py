"""The inventory of a scenario's hosts, by which Ansible and testinfra reach them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.containers import SshKey


@dataclass(frozen=True)
class Address:
    """Where a host's sshd is, and the file that names its key."""

    host: str
    port: int
    known_hosts: Path


@dataclass(frozen=True)
class Agents:
    """The group `agents`: its hosts by name, and the variables of all."""

    hosts: Mapping[str, Address]
    variables: Mapping[str, Any]


def write_inventory(file: Path, folder: Path, key: SshKey, agents: Agents) -> None:
    """Write the inventory `file`; what ssh keeps goes to `folder`."""
    known = folder / "known_hosts"
    lines = [each.known_hosts.read_text("utf-8") for each in agents.hosts.values()]
    known.write_text("".join(lines), "utf-8")
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(known),
        "StrictHostKeyChecking": "yes",
        "ControlMaster": "auto",
        "ControlPersist": "60s",
        # Of this scenario alone: an address may have been another host's a moment ago.
        "ControlPath": f"{folder}/%C",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    connection = {
        "ansible_user": "operator",
        "ansible_ssh_private_key_file": str(key.private),
        # Without -F, the settings of the person who runs the tests would have a say.
        "ansible_ssh_common_args": shlex.join(["-F", "none", *words]),
    }
    hosts = {
        name: {"ansible_host": each.host, "ansible_port": each.port}
        for name, each in agents.hosts.items()
    }
    group = {"hosts": hosts, "vars": {**connection, **agents.variables}}
    text = json.dumps({"all": {"children": {"agents": group}}}, indent=2)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", "utf-8")
