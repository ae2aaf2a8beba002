"""Throwaway hosts for the demo: a systemd container, or a private folder of this machine."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolkit.errors import HostError
from toolkit.interruption import ended_with, tidying
from toolkit.render import RenderedFile, container_file

ENGINES = ("podman", "docker")
BASE_IMAGE = "ubuntu:24.04"
BOOT_SECONDS = 30
BUILD_SECONDS = 600
USER = "operator"

Line = Callable[[str], None]


class DemoHost(Protocol):
    """A host that the demo installs on, and throws away again."""

    @property
    def url(self) -> str:
        """How `toolkit verify` reaches it."""

    @property
    def home(self) -> str | None:
        """Where the service is installed, if not in /opt."""

    @property
    def manager(self) -> str:
        """What runs the service there."""

    def run_script(self, script: RenderedFile, say: Line) -> int:
        """Run the install script, telling each line that it prints; gives its exit code."""

    def where_to_look(self, service: str) -> Sequence[tuple[str, str]]:
        """Give commands for a person, each with what it is for."""

    def how_to_remove(self) -> str:
        """Give the command that leaves nothing behind."""

    def remove(self) -> None:
        """Leave nothing behind."""


@dataclass(frozen=True)
class Container:
    """A container that boots systemd; it shares this machine's network, so loopback is one."""

    engine: str
    name: str
    image: str
    built: bool
    manager: str = "systemd"
    home: str | None = None

    @property
    def url(self) -> str:
        """How `toolkit verify` reaches it."""
        return f"{self.engine}://{self.name}"

    def run_script(self, script: RenderedFile, say: Line) -> int:
        """Put the script into the user's home and run it there."""
        path = f"/home/{USER}/{script.path}"
        receive = [self.engine, "exec", "-i", "--user", USER, self.name, "sh", "-c"]
        _quiet([*receive, f"umask 077; cat >{path}"], stdin=script.text)
        return _stream([self.engine, "exec", "--user", USER, self.name, "bash", path], say)

    def where_to_look(self, service: str) -> Sequence[tuple[str, str]]:
        """Give the commands that look into the container."""
        inside = f"{self.engine} exec {self.name}"
        return (
            (f"{inside} /opt/{service}/agentctl status", "what runs"),
            (f"{inside} journalctl -u {service}", "what it printed"),
        )

    def how_to_remove(self) -> str:
        """Give the command that removes the container, and the image if it was made for it."""
        remove = f"{self.engine} rm --force --volumes {self.name}"
        return f"{remove} && {self.engine} rmi {self.image}" if self.built else remove

    def remove(self) -> None:
        """Remove the container, and the image if it was made for it."""
        try:
            _quiet([self.engine, "rm", "--force", "--volumes", self.name])
        finally:
            if self.built:
                _quiet([self.engine, "rmi", self.image])

    def remove_what_there_is(self) -> None:
        """Remove what was made before something failed: that is the fault to tell of."""
        _run([self.engine, "rm", "--force", "--volumes", self.name])
        if self.built:
            _run([self.engine, "rmi", self.image])


@dataclass(frozen=True)
class Folder:
    """A folder of this machine; the service runs in it under agentctl's own supervisor.

    `settings` are the variables of the service: who has such in the environment, as of another
    agent, does not mean this one.
    """

    root: Path
    service: str
    settings: frozenset[str] = frozenset()
    manager: str = "direct"
    url: str = "local"

    @property
    def home(self) -> str:
        """Where the service is installed."""
        return str(self.root / self.service)

    def run_script(self, script: RenderedFile, say: Line) -> int:
        """Run the script as this user, with no sudo."""
        path = self.root / script.path
        path.write_text(script.text, encoding="utf-8")
        path.chmod(script.mode)
        inherited = {name: each for name, each in os.environ.items() if name not in self.settings}
        env = {
            **inherited,
            "PROCESS_MANAGER": self.manager,
            "INSTALL_DIR": self.home,
            "ALLOW_ROOT": "1",
        }
        return _stream(["bash", str(path)], say, env)

    def where_to_look(self, service: str) -> Sequence[tuple[str, str]]:
        """Give the commands that look into the folder."""
        del service
        home = Path(self.home)
        return (
            (f"{home / 'agentctl'} status", "what runs"),
            (f"tail {home / 'logs' / 'agent.log'}", "what it printed"),
        )

    def how_to_remove(self) -> str:
        """Give the command that ends the service and removes the folder."""
        return f"{Path(self.home) / 'agentctl'} uninstall && rm -r {self.root}"

    def remove(self) -> None:
        """End the service and remove the folder."""
        agentctl = Path(self.home) / "agentctl"
        try:
            if agentctl.exists():
                _quiet([str(agentctl), "uninstall"])
        finally:
            shutil.rmtree(self.root)


def private_folder(service: str, settings: frozenset[str]) -> Folder:
    """Make a host of a new folder, for a service with these variables."""
    return Folder(Path(tempfile.mkdtemp(prefix="toolkit-demo-")), service, settings)


def find_engine() -> str | None:
    """Give podman or docker, where one is here and answers."""
    for engine in ENGINES:
        if shutil.which(engine) and _answers([engine, "info"]):
            return engine
    return None


def boot(engine: str, image: str | None, say: Line) -> Container:
    """Boot a container, of `image` or of one that is built for it.

    Raises HostError where no image can be had or systemd does not come up; nothing stays then.
    """
    built = image is None
    if image is None:
        image = f"localhost/toolkit-demo-host:{secrets.token_hex(4)}"
    name = f"toolkit-demo-{secrets.token_hex(4)}"
    host = Container(engine, name, image, built)
    with tidying() as at_end:
        at_end.callback(host.remove_what_there_is)
        if built:
            say(f"building a host of {BASE_IMAGE} with {engine}")
            _build(engine, image)
        say(f"booting {name}")
        _quiet([engine, "run", "--detach", "--name", name, *_run_options(engine), image, INIT])
        _wait_for_systemd(host)
        at_end.pop_all()
    return host


INIT = "/lib/systemd/systemd"


def _run_options(engine: str) -> list[str]:
    options = ["--network=host", "--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined"]
    if engine == "podman":
        # Limits and runtime as hybrid cgroups and machines without CAP_SYS_RESOURCE need them.
        limits = ["--ulimit=nofile=10000:20000", "--ulimit=nproc=5000:5000"]
        return [*options, "--systemd=always", *limits, *_runtime()]
    mounts = ["--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp"]
    return [*options, "--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", *mounts]


def _runtime() -> list[str]:
    return ["--runtime=runc"] if shutil.which("runc") else []


def _build(engine: str, image: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = container_file(BASE_IMAGE)
        path = Path(folder) / file.path
        path.write_text(file.text, encoding="utf-8")
        build = [engine, "build", "--network=host", "--tag", image, "--file", str(path), folder]
        _quiet(build, timeout=BUILD_SECONDS)


def _wait_for_systemd(host: Container) -> None:
    state = [host.engine, "exec", host.name, "systemctl", "is-system-running"]
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        done = subprocess.run(state, capture_output=True, text=True, check=False)
        if done.stdout.strip() in ("running", "degraded"):
            return
        time.sleep(0.2)
    raise HostError(
        f"systemd did not come up in {host.name} within {BOOT_SECONDS} s",
        why=done.stderr.strip() or f"it says: {done.stdout.strip()}",
        hint="use a folder of this machine: toolkit demo --on folder",
    )


def _quiet(argv: list[str], *, stdin: str = "", timeout: float = 120) -> None:
    try:
        code, said = _run(argv, stdin, timeout)
    except subprocess.TimeoutExpired as error:
        raise _failed(argv, f"it did not end within {timeout:g} s") from error
    if code != 0:
        raise _failed(argv, "\n".join(said.strip().splitlines()[-5:]))


def _run(argv: list[str], stdin: str = "", timeout: float = 120) -> tuple[int, str]:
    """Run `argv`, and give its exit code and what it said on standard error."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        with ended_with(process):
            _, said = process.communicate(stdin, timeout)
        return process.returncode, said


def _failed(argv: list[str], why: str) -> HostError:
    return HostError(
        f"`{' '.join(argv[:2])}` failed",
        why=why,
        hint="use a folder of this machine: toolkit demo --on folder",
    )


def _answers(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _stream(argv: list[str], say: Line, env: dict[str, str] | None = None) -> int:
    """Run `argv` and tell each line as it comes."""
    with (
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=env,
            start_new_session=True,
        ) as process,
        ended_with(process),
    ):
        for line in process.stdout or ():
            say(line.rstrip("\n"))
        process.wait()
    return process.returncode
