"""Looks at hosts through pytest-testinfra's back ends: this machine, SSH, Podman and Docker."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import HostError, MissingToolError
from toolkit.facts import HostFacts, Question, parse_facts
from toolkit.probe.look import MARK

LOCAL = "local"
FORMS = "ssh://[user@]host[:port], podman://CONTAINER, docker://CONTAINER or local"
# In the order in which they need each other.
PROBE = ("files", "commands", "health", "process", "managers", "drift", "system", "look")

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"  # no hyphen first: ssh and podman would see an option
_ADDRESS = re.compile(
    rf"(?P<scheme>ssh|podman|docker)://(?:(?P<user>{_NAME})@)?"
    rf"(?P<name>{_NAME}|\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\])(?::(?P<port>[0-9]{{1,5}}))?"
)
_NO_PYTHON, _NO_SUDO, _SSH_FAILED = 96, 97, 255
# $1: auto, always or never; then what Python runs, the probe's modules, and the question.
_START = f"""
command -v python3 >/dev/null || exit {_NO_PYTHON}
as=
if [ "$1" != never ] && [ "$(id -u)" != 0 ]; then
  if sudo -n python3 -I -c '' 2>/dev/null; then as='sudo -n'
  elif [ "$1" = always ]; then exit {_NO_SUDO}; fi
fi
exec $as python3 -IBc "$2" "$3" "$4"
"""
_LOAD = """
import json, sys, types
for name, text in json.loads(sys.argv[1]):
    module = sys.modules["toolkit.probe." + name] = types.ModuleType("toolkit.probe." + name)
    exec(compile(text, name + ".py", "exec"), module.__dict__)
module.main(sys.argv[2])
"""
# Nobody is there to answer a question, and a host that has gone silent must not hold up the rest.
_SSH_OPTIONS = "-o BatchMode=yes -o ServerAliveInterval=10 -o ServerAliveCountMax=3"


@dataclass(frozen=True)
class Connection:
    """How to reach a host; `sudo` None means: where it needs no password."""

    url: str
    sudo: bool | None = None
    ssh_config: Path | None = None
    identity_file: Path | None = None


def look(connection: Connection, question: Question) -> HostFacts:
    """Answer `question` on the host, in one round trip that changes nothing there.

    Raises HostError where the host can't be reached or can't answer, MissingToolError where
    this machine lacks the program that reaches it.
    """
    host = _open(connection)
    rights = {None: "auto", True: "always", False: "never"}[connection.sudo]
    try:
        done = host.run(
            "sh -c %s sh %s %s %s %s", _START, rights, _LOAD, _modules(), question.to_json()
        )
    except RuntimeError as error:  # what testinfra makes of ssh's own exit code
        raise _unreached(connection, error.args[0]) from error
    if done.rc != 0:
        raise _unreached(connection, done)
    return _facts(connection.url, done.stdout_bytes.decode("utf-8", "replace"))


def _open(connection: Connection) -> Any:
    import testinfra  # noqa: PLC0415 - it brings pytest, which other commands need not wait for

    if connection.url in (LOCAL, f"{LOCAL}://"):
        return testinfra.get_host("local://")
    match = _ADDRESS.fullmatch(connection.url)
    if match is None or (match["port"] and match["scheme"] != "ssh"):
        raise HostError(
            f"{connection.url!r} names no host",
            why="it has none of the forms that are known",
            hint=f"write {FORMS}; a password has no place in it",
        )
    if shutil.which(match["scheme"]) is None:
        raise MissingToolError(
            f"{match['scheme']} is not on this machine",
            why=f"{connection.url} is reached through it",
            hint=f"install {match['scheme']}, or name the host in another way",
        )
    options = _ssh_options(connection) if match["scheme"] == "ssh" else {}
    return testinfra.get_host(connection.url, **options)


def _ssh_options(connection: Connection) -> dict[str, Any]:
    options: dict[str, Any] = {"ssh_extra_args": _SSH_OPTIONS, "controlpersist": 0}
    if connection.ssh_config:
        options["ssh_config"] = str(connection.ssh_config)
    if connection.identity_file:
        options["ssh_identity_file"] = str(connection.identity_file)
    return options


def _modules() -> str:
    folder = Path(__file__).parent / "probe"
    texts = [(name, (folder / f"{name}.py").read_text(encoding="ascii")) for name in PROBE]
    return json.dumps(texts)


def _facts(url: str, printed: str) -> HostFacts:
    lines = [line for line in printed.splitlines() if line.startswith(MARK)]
    try:
        return parse_facts(lines[-1].removeprefix(MARK))
    except (IndexError, ValueError) as error:
        raise HostError(
            f"{url} gave no answer that can be read",
            why=str(error) if lines else f"it printed {printed[-200:]!r}",
            hint="a login script on the host may end or replace the shell: see what "
            "it does when there is no terminal",
        ) from error


def _unreached(connection: Connection, done: Any) -> HostError:
    """Say why there was no look, by the exit code and the last words of what should reach it."""
    url, said = connection.url, done.stderr_bytes.decode("utf-8", "replace").strip()
    if done.rc == _NO_PYTHON:
        return HostError(
            f"{url} has no python3",
            why="the look at a host is a Python program, and so is agentctl",
            hint="install it there: sudo apt-get install python3",
        )
    if done.rc == _NO_SUDO:
        return HostError(
            f"sudo on {url} is missing or asks for a password",
            why="--sudo was given, and nobody is there to type it",
            hint="allow it with NOPASSWD, log in as root, or leave --sudo out",
        )
    why = said.splitlines()[-1] if said else f"exit code {done.rc}"
    for sign, hint in _hints(url):
        if sign in said:
            return HostError(f"{url} could not be reached", why=why, hint=hint)
    if done.rc == _SSH_FAILED:
        hint = "check the name, the network and that its sshd runs"
        return HostError(f"{url} could not be reached", why=why, hint=hint)
    hint = "run the same with --sudo, or look at the host by hand"
    return HostError(f"the look at {url} failed", why=why, hint=hint)


def _hints(url: str) -> tuple[tuple[str, str], ...]:
    scheme, _, address = url.partition("://")
    name = address.rpartition("@")[2]
    return (
        ("Host key verification failed", f"connect once by hand and accept its key: ssh {url}"),
        ("Permission denied", "name a key that it lets in, with --identity-file or --ssh-config"),
        ("o such container", f"see which there are: {scheme} ps --all"),
        ("no container with name", f"see which there are: {scheme} ps --all"),
        ("container state improper", f"start it: {scheme} start {name}"),
        ("is not running", f"start it: {scheme} start {name}"),
        ("permission denied", f"use the account that may use {scheme}, or sudo"),
        ("Cannot connect to the Docker daemon", "start the Docker daemon"),
    )
