"""The role aiwm_agent: what a play that is stopped in the middle of a rotation leaves behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.credentials import Credentials, credentials
from tests.support.releases import TOP

NAMES = ("a", "b")
# In place of agentctl: keeps the secret, and leaves all else.
ROLE_AGENT = """\
---
- name: Make the folder
  ansible.builtin.file:
    path: "{{ agent_home }}"
    state: directory
    mode: "0700"

- name: Keep the secret
  ansible.builtin.lineinfile:
    path: "{{ agent_home }}/.env"
    line: "AIWM_AGENT_SECRET={{ agent_secrets.AIWM_AGENT_SECRET }}"
    regexp: ^AIWM_AGENT_SECRET=
    create: true
    mode: "0600"
  when: agent_secrets.AIWM_AGENT_SECRET is defined
"""


@dataclass(frozen=True)
class Hosts:
    """Two folders of this machine as hosts, which are agents of a stand-in's."""

    folder: Path
    controller: Credentials

    def secret(self, name: str) -> str:
        """Give the secret that a host has, or nothing."""
        file = self.folder / name / ".env"
        text = file.read_text("utf-8") if file.is_file() else ""
        return text.strip().partition("=")[2]

    def are_agents(self) -> None:
        """Give each a secret that works, as an earlier run did."""
        for name in NAMES:
            self.controller.secrets[name] = f"first-of-{name}"
            (self.folder / name).mkdir(mode=0o700)
            env = self.folder / name / ".env"
            env.touch(mode=0o600)
            env.write_text(f"AIWM_AGENT_SECRET=first-of-{name}\n", "utf-8")

    def locked_out(self) -> list[str]:
        """Name the hosts whose secret is not the one that works."""
        return [name for name in NAMES if self.secret(name) != self.controller.secrets[name]]

    def enroll(self, *words: str) -> subprocess.Popen[str]:
        """Begin the playbook."""
        program = Path(sys.executable).with_name("ansible-playbook")
        inventory = str(self.folder / "inventory.json")
        return subprocess.Popen(
            [str(program), "aiwm.toolkit.enroll", "-i", inventory, *words],
            cwd=self.folder,
            env={
                **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
                "HOME": str(self.folder),
                "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_NOCOLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def enrolled(self, *words: str) -> dict[str, int]:
        """Run the playbook to its end; gives how many tasks changed something on each host."""
        said = self.enroll(*words).communicate(timeout=300)[0]
        recap = re.findall(r"^(\w+) +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0", said, re.M)
        assert [name for name, _ in recap] == list(NAMES), said
        return {name: int(changed) for name, changed in recap}


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    collection = tmp_path / "collections" / "ansible_collections" / "aiwm" / "toolkit"
    tasks = collection / "roles" / "agent" / "tasks"
    tasks.mkdir(parents=True)
    for name in ("main", "configure"):
        (tasks / f"{name}.yml").write_text(ROLE_AGENT, "utf-8")
    for part in ("galaxy.yml", "meta", "plugins", "playbooks", "roles/aiwm_agent"):
        (collection / part).symlink_to(TOP / part)
    with credentials(*NAMES) as controller:
        variables = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "agent_name": "an-agent",
            "agent_home": f"{tmp_path}/{{{{ inventory_hostname }}}}",
            "aiwm_agent_controller": controller.url,
            "aiwm_agent_token": "a-token-of-an-editor",
        }
        group = {"hosts": {name: {} for name in NAMES}, "vars": variables}
        inventory = {"all": {"children": {"agents": group}}}
        (tmp_path / "inventory.json").write_text(json.dumps(inventory), "utf-8")
        yield Hosts(tmp_path, controller)


ROTATE = ("-e", "aiwm_agent_rotate=true")


def test_a_stop_leaves_one_host_behind_and_the_next_run_mends_it(hosts: Hosts) -> None:
    hosts.are_agents()
    controller, stopped = hosts.controller, hosts.enroll(*ROTATE)

    def stop_at_the_second() -> None:
        if len(controller.exchanged) == 2:
            stopped.kill()

    controller.after = stop_at_the_second
    said = stopped.communicate(timeout=300)[0]
    assert stopped.returncode < 0, said
    assert hosts.locked_out() == [controller.exchanged[-1]], said

    before = {name: hosts.secret(name) for name in NAMES}
    hosts.enrolled(*ROTATE)
    assert hosts.locked_out() == []
    assert all(hosts.secret(name) != before[name] for name in NAMES)


def test_one_that_has_no_working_secret_gets_one_and_no_second(hosts: Hosts) -> None:
    hosts.are_agents()
    hosts.controller.secrets["b"] = "which the host was never told"
    assert hosts.enrolled() == {"a": 0, "b": 1}
    assert (hosts.controller.exchanged, hosts.locked_out()) == (["b"], [])
    (hosts.folder / "b" / ".env").unlink()
    hosts.enrolled(*ROTATE)
    assert sorted(hosts.controller.exchanged) == ["a", "b", "b"]
    assert hosts.locked_out() == []


def test_a_check_foresees_the_rotation_and_exchanges_nothing(hosts: Hosts) -> None:
    hosts.are_agents()
    hosts.controller.secrets["b"] = "which the host was never told"
    foreseen = hosts.enrolled(*ROTATE, "--check")
    assert hosts.controller.exchanged == []
    assert hosts.enrolled(*ROTATE) == foreseen == dict.fromkeys(NAMES, 1)
    assert hosts.locked_out() == []
