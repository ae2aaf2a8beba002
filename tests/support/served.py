"""A controller as a process of its own, as people run it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from aiwm_controller import setup
from aiwm_controller.settings import from_environment

from tests.support.http import HTTP

Json = dict[str, Any]


def command(*arguments: str, database: str, stdin: str = "") -> str:
    """Run `aiwm-controller` and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "aiwm_controller", *arguments, "--database", database],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A controller that can be killed and started again."""

    database: str
    log: Path
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    token: str = ""
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """Give the address of the API, with the prefix that the options name."""
        options = list(self.options)
        prefix = options[options.index("--path-prefix") + 1] if "--path-prefix" in options else ""
        return f"http://{self.address}:{self.port}{prefix}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "aiwm_controller", "serve", "--port", str(self.port)),
                    *("--host", self.address, "--database", self.database, *self.options),
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "AIWM_CONNECTS_A_MINUTE": "100000"},
                start_new_session=True,
            )
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return HTTP.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    def kill(self) -> None:
        """End it and its workers at once, as the kernel does when memory runs out."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it as systemd does; gives its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait()

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """Call as the owner, or with another token; gives the answer's JSON."""
        answer = HTTP.request(
            method,
            f"{self.url}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token if token is None else token}"},
        )
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def connected(self, name: str) -> tuple[str, str, str]:
        """Make an agent; gives its id, its secret and a token of its."""
        agent = self.call("POST", "/agents", {"name": name, "type": "autonomous"})["id"]
        secret = self.call("POST", f"/agents/{agent}/regenerate-credentials")["secret"]
        token = self.call("POST", f"/agents/{agent}/connect", {"secret": secret})["token"]
        return agent, secret, token


@contextmanager
def serving(
    database: str, log: Path, *options: str, address: str = "127.0.0.1"
) -> Iterator[Server]:
    """Set a database up, as `init` does, and serve from it."""
    settings = from_environment({**os.environ, "AIWM_DATABASE_URL": database})
    made = asyncio.run(setup.init(settings, "owner@example.com", "Default", None))
    server = Server(database, log, options, token=made["token"], address=address)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
