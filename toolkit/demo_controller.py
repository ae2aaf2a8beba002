"""The controller of the demo: the program `aiwm-controller` of this environment, and its API."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import HostError, MissingToolError
from toolkit.interruption import ended_with
from toolkit.loopback import HOST, free_port
from toolkit.secret import Secret

PROGRAM = "aiwm-controller"
PORT = 3305
EMAIL = "owner@example.com"
NEXT_HEARTBEAT = 5
START_SECONDS = 60
_INIT = ("init", "--email", EMAIL, "--organization", "Demo", "--password-stdin", "--json")

Json = dict[str, Any]


@dataclass(frozen=True)
class Controller:
    """A controller that runs, and its owner."""

    port: int
    email: str
    password: Secret
    token: Secret
    log: Path

    @property
    def url(self) -> str:
        """Give its address, which is the fleet page's too."""
        return f"http://{HOST}:{self.port}"

    def get(self, path: str) -> Json:
        """Ask as the owner; raises HostError where it does not answer as it should."""
        return self._asked("GET", path, None)

    def post(self, path: str, body: Mapping[str, object]) -> Json:
        """Make something as the owner; raises HostError where that is refused."""
        return self._asked("POST", path, body)

    def _asked(self, method: str, path: str, body: Mapping[str, object] | None) -> Json:
        headers = {
            "Authorization": f"Bearer {self.token.reveal()}",
            "Content-Type": "application/json",
        }
        try:
            status, text = _request(
                self.port, method, path, None if body is None else json.dumps(body), headers
            )
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(method, path, str(error)) from error
        if status >= 300:
            raise self._no_answer(method, path, f"{status}: {text[:500]}")
        answer: Json = json.loads(text)
        return answer

    def last_lines(self) -> str:
        """Give the end of its log, which is gone once the demonstration has failed."""
        return _last_lines(self.log.read_text("utf-8", "replace"))

    def _no_answer(self, method: str, path: str, why: str) -> HostError:
        return HostError(
            f"the controller did not answer {method} {path} as it should",
            why=f"{why}\nthe end of its log:\n{self.last_lines()}",
            hint="try again",
        )


def _request(
    port: int, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = {}
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def find_program() -> str:
    """Find `aiwm-controller` beside this Python, else on PATH; raises MissingToolError."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(PROGRAM)
    if found is None:
        raise MissingToolError(
            f"{PROGRAM} is not installed here",
            why="this demonstration shows an agent online in its controller",
            hint="in a checkout: make demo (or make setup); without a controller: "
            "toolkit demo --agent glances",
        )
    return found


@contextmanager
def controller(folder: Path, releases: Path) -> Iterator[Controller]:
    """Run a controller while the block runs, with its database and its log in `folder`.

    `releases` holds NAME.toml of each release, and what was built of it in `dist`. Raises
    MissingToolError where it is not installed, HostError where it does not start.
    """
    program, port = find_program(), free_port(PORT)
    environment = variables(os.environ, folder, releases, port)
    password = secrets.token_urlsafe(12)
    token = _initialized(program, environment, password)
    log = folder / "controller.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [program, "serve", "--host", HOST, "--port", str(port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            text=True,
            start_new_session=True,  # Ctrl-C is for who started it: the agent says goodbye first
        )
    with ended_with(process):
        _wait_for_health(process, port, log)
        yield Controller(port, EMAIL, Secret(password), Secret(token), log)


def variables(
    environment: Mapping[str, str], folder: Path, releases: Path, port: int
) -> dict[str, str]:
    """Give the environment of the demo's controller: nothing of another one's is in it."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AIWM_")}
    return kept | {
        "AIWM_DATABASE_URL": f"sqlite:///{folder}/aiwm-controller.db",
        "AIWM_PUBLIC_URL": f"http://{HOST}:{port}",
        "AIWM_RELEASES": str(releases),
        "AIWM_PRIVATE_ENDPOINTS": HOST,
        "AIWM_NEXT_HEARTBEAT": str(NEXT_HEARTBEAT),
    }


def _initialized(program: str, environment: Mapping[str, str], password: str) -> str:
    """Make the database and its owner; gives a token of the owner's."""
    with (
        subprocess.Popen(
            [program, *_INIT],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process,
        ended_with(process),
    ):
        made, said = process.communicate(password)
    if process.returncode != 0:
        raise HostError(
            f"`{PROGRAM} init` failed",
            why=_last_lines(said),
            hint="make setup installs it anew",
        )
    return str(json.loads(made)["token"])


def _wait_for_health(process: subprocess.Popen[str], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _is_healthy(port):
            return
        time.sleep(0.1)
    ended = process.poll() is not None
    raise HostError(
        "the controller ended" if ended else f"no controller after {START_SECONDS} s",
        why=_last_lines(log.read_text("utf-8", "replace")),
        hint="try again; where a port is in use, end what listens there",
    )


def _is_healthy(port: int) -> bool:
    try:
        return _request(port, "GET", "/health")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-5:])
