"""Installs, upgrades and removes on a host under test, stopped at a certain step."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.reachable import Reachable
from tests.support.releases import Released
from toolkit import engine

_DRIVE = Path(__file__).with_name("drive.py")
_FOLDER = "/srv/driven"
KILLED = 137


@dataclass(frozen=True)
class Driven:
    """One service on `host`, from a folder of the host that serves as its store."""

    host: Reachable
    service: str
    manager: str = "systemd"

    @classmethod
    def on(cls, host: Reachable, service: str, manager: str = "systemd") -> Driven:
        """Put agentctl and what drives it on the host."""
        host.run(["install", "-d", "-m", "0755", _FOLDER], user="root")
        made = Path(host.known_hosts.parent, "agentctl")
        made.write_bytes(engine.build().data)
        host.put(made, f"{_FOLDER}/agentctl", mode=0o755, owner="root")
        host.put(_DRIVE, f"{_FOLDER}/drive.py", owner="root")
        return cls(host, service, manager)

    def offer(self, released: Released) -> list[str]:
        """Put a release into the store; gives the verb that installs it."""
        tarball = released.dist / released.artifact.tarball
        self.host.put(tarball, f"{_FOLDER}/{tarball.name}", owner="root")
        sha256 = (released.dist / f"{tarball.name}.sha256").read_text("ascii").split()[0]
        name, version = released.spec.name, released.spec.release_version
        where = ["--store", _FOLDER, "--tarball", "any", tarball.name, sha256]
        how = ["--process-manager", self.manager, "--user", "operator"]
        return ["install", name, "--version", version, *where, *how]

    def withdraw(self, released: Released) -> None:
        """Take a release out of the store."""
        self.host.run(["rm", f"{_FOLDER}/{released.artifact.tarball}"], user="root")

    def run(self, verb: list[str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run agentctl as root, to its end."""
        argv = ["python3", f"{_FOLDER}/agentctl", *verb]
        return self.host.run(argv, user="root", check=False, timeout=timeout)

    def steps(self, verb: list[str]) -> list[str]:
        """Run agentctl to its end, and give the names of its steps."""
        done = self.host.run(self._argv("list", "-", verb), user="root")
        return [
            line.removeprefix("step: ")
            for line in done.stdout.splitlines()
            if line.startswith("step: ")
        ]

    def killed(self, point: str, verb: list[str]) -> bool:
        """Run agentctl and have it killed at `point`; False where it ended without coming there."""
        argv = self._argv("kill", point, verb)
        return self.host.run(argv, user="root", check=False).returncode == KILLED

    def held(self, point: str, verb: list[str]) -> bool:
        """Run agentctl until `point`, where it stands still; False where it never comes there."""
        process = self.host.spawn(self._argv("hold", point, verb), user="root")
        if process.stdout is None:
            raise RuntimeError("there is no pipe from the host")
        lines = iter(process.stdout.readline, "")
        return any(line.startswith(f"stopped {point}") for line in lines)

    def filled(self, point: str, verb: list[str]) -> subprocess.CompletedProcess[str]:
        """Run agentctl to its end, with no room left in /opt from `point` on."""
        return self.host.run(self._argv("fill", point, verb), user="root", check=False)

    def begun(self, step: str, verb: list[str]) -> bool:
        """Run agentctl until `step` has begun, and leave it at that; False where it never does."""
        process = self.start(verb)
        if process.stdout is None:
            raise RuntimeError("there is no pipe from the host")
        return any(line == f"step: {step}\n" for line in iter(process.stdout.readline, ""))

    def start(self, verb: list[str]) -> subprocess.Popen[str]:
        """Run agentctl and do not wait; it prints each step as it begins."""
        return self.host.spawn(self._argv("list", "-", verb), user="root")

    def _argv(self, how: str, point: str, verb: list[str]) -> list[str]:
        return ["python3", f"{_FOLDER}/drive.py", f"{_FOLDER}/agentctl", how, point, *verb]
