"""The steps that are measured on a fleet, each as `toolkit fleet`, playbooks and pyinfra do it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.fleet_cost import Cost, HostsCpu, cost_of
from bench.fleet_hosts import for_pyinfra
from bench.timing import Failed
from tests.support.ansible import BIN, TOP
from tests.support.hosts import Host
from tests.support.signed_fleet import OLD, SignedFleet

PEERS = Path(__file__).parent / "peers"
FORKS = 25
PYINFRA = "pyinfra==3.10.0"
_CHANGED = re.compile(r"changed=(\d+)")
_WAVES = ("--watch", "1", "--max-failed", "10%")


@dataclass(frozen=True)
class Ways:
    """One fleet, and all who work on it; each gives the cost and how many hosts it changed."""

    fleet: SignedFleet
    collections: Path
    pyinfra: Path
    cpu: HostsCpu

    def fleet_install(self) -> tuple[Cost, int]:
        """Install by `toolkit fleet`: all at once, since on empty hosts nothing is at risk."""
        words = ("--canary", "0", "--waves", "100%", "--watch", "1", "--max-failed", "100%")
        return self._rollout("install", *words)

    def fleet_upgrade(self) -> tuple[Cost, int]:
        """Upgrade by `toolkit fleet`: a canary, then 10 %, half and the rest."""
        return self._rollout("upgrade", *_WAVES)

    def fleet_status(self) -> tuple[Cost, int]:
        """Ask how all stand; raises Failed where one is not healthy."""
        return self._measure([*self.fleet.argv("status"), "--json"])[0], 0

    def our_playbook(self, name: str = "install") -> tuple[Cost, int]:
        """Play a playbook of the collection."""
        program = f"aiwm.toolkit.{name}"
        return self._play(program, "-e", "agent_hosts=all", "-e", "agent_watch=1")

    def plain_playbook(self) -> tuple[Cost, int]:
        """Play what a person would write."""
        said = dict(zip(("plain_version", "plain_url", "plain_sha256"), self._wanted, strict=True))
        return self._play(str(PEERS / "plain.yml"), "-e", json.dumps(said))

    def by_pyinfra(self) -> tuple[Cost, int]:
        """Run pyinfra's deploy; it does not say in a word how many hosts it changed."""
        inventory = self.fleet.folder / "inventory.py"
        for_pyinfra(list(self.fleet.hosts.values()), inventory)
        said = zip(("version", "url", "sha256"), self._wanted, strict=True)
        data = [word for key, value in said for word in ("--data", f"{key}={value}")]
        deploy = str(PEERS / "pyinfra_deploy.py")
        command = [str(self.pyinfra), "-y", "--parallel", str(FORKS), *data]
        cost, _ = self._measure([*command, str(inventory), deploy])
        return cost, 0

    @property
    def _wanted(self) -> tuple[str, str, str]:
        released = self.fleet.releases[OLD]
        tarball = released.artifact.tarball
        sha256 = (released.dist / f"{tarball}.sha256").read_text("ascii").split()[0]
        return OLD, f"{self.fleet.store.url}/{tarball}", sha256

    def _rollout(self, verb: str, *words: str) -> tuple[Cost, int]:
        command = [*self.fleet.argv(verb, *words), "--parallel", str(FORKS), "--json"]
        cost, said = self._measure(command)
        whats = [row["what"] for row in json.loads(said)["hosts"]]
        if set(whats) > {"holds", "had it"}:
            raise Failed(f"{verb}: {whats}")
        return cost, whats.count("holds")

    def _play(self, playbook: str, *words: str) -> tuple[Cost, int]:
        program = [str(BIN / "ansible-playbook"), playbook, "-i", str(self.fleet.inventory)]
        with _connections() as control:
            environment = {
                "ANSIBLE_CONFIG": str(TOP / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control),
                "ANSIBLE_FORKS": str(FORKS),
                "ANSIBLE_NOCOLOR": "1",
            }
            cost, said = self._measure([*program, *words], environment)
        recap = said.partition("PLAY RECAP")[2]
        return cost, sum(int(count) > 0 for count in _CHANGED.findall(recap))

    def _measure(
        self, command: Sequence[str], more: dict[str, str] | None = None
    ) -> tuple[Cost, str]:
        environment = {**os.environ, "HOME": str(self.fleet.folder), "SSH_AUTH_SOCK": ""}
        return cost_of(command, {**environment, **(more or {})}, TOP, self.cpu)


@contextmanager
def _connections() -> Iterator[Path]:
    """Give a folder for the sockets of ssh's masters, which end with the block.

    So each play connects anew, as one does that comes a day after the last.
    """
    folder = Path(tempfile.mkdtemp(prefix="cp-"))
    try:
        yield folder
    finally:
        ending = [
            subprocess.Popen(
                ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "none"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for socket in folder.iterdir()
        ]
        for process in ending:
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def install_pyinfra(folder: Path) -> Path:
    """Install pyinfra into an environment of its own, which goes with the bench."""
    uv = str(BIN / "uv")
    python = folder / "bin" / "python"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(python), PYINFRA],
    ):
        subprocess.run([uv, *words], check=True, timeout=300)
    return folder / "bin" / "pyinfra"


def settle(hosts: Sequence[Host], version: str, port: int = 7070) -> None:
    """Raise Failed where the agent on this port of a host is not of the version it should be."""
    wrong = [host.name for host in hosts if not _runs(host, version, port)]
    if wrong:
        raise Failed(f"{version} does not run on {', '.join(wrong)}")


def _runs(host: Host, version: str, port: int) -> bool:
    ask = ["curl", "-sf", "--retry", "5", "--retry-connrefused", f"http://127.0.0.1:{port}/"]
    return f"/releases/{version}/" in host.run(ask, check=False).stdout
