"""The secrets that a host has for a service: what must be in no support bundle."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from toolkit.host.commands import run
from toolkit.host.envfile import parse_env
from toolkit.host.errors import AgentctlError, NotPermitted
from toolkit.host.known import read_release
from toolkit.host.layout import Layout
from toolkit.host.release import environment
from toolkit.host.state import State

SECONDS = 15.0
LIMIT = 65_536
# What units may hold besides variables: credentials, or the paths to them (systemd.exec(5)).
_LOADED = re.compile(r"^(?:LoadCredential(?:Encrypted)?|EnvironmentFile)=(.*)$", re.MULTILINE)
_SET = re.compile(r"^SetCredential(?:Encrypted)?=[^:\n]*:(.*)$", re.MULTILINE)
_ENVIRONMENT = re.compile(r"^Environment=(.*(?:\\\n.*)*)$", re.MULTILINE)


def known_secrets(layout: Layout, state: State) -> set[str]:
    """Give the values of .env, of the unit's variables and of its credentials.

    What the release itself gives its variables is public. Raises NotPermitted where this user
    can't read one of them, since then it could not be taken out.
    """
    unit = _unit(state)
    found = {*_of_env(layout.env), *_SET.findall(unit)}
    for line in _LOADED.findall(unit):
        path = Path(line.strip().lstrip("-").partition(":")[2] or line.strip().lstrip("-"))
        found.update(_of_file(path))
    for path in Path("/run/credentials").glob(f"{state.service}.service/*"):
        found.update(_of_file(path))
    variables = {value for line in _ENVIRONMENT.findall(unit) for value in _values(line)}
    return found | (variables - _public(layout))


def _unit(state: State) -> str:
    if state.manager in ("direct", "pm2"):
        return ""
    own = ["--user"] if "user" in state.manager else []
    argv = ["systemctl", *own, "cat", "--no-pager", f"{state.service}.service"]
    try:
        return run(argv, timeout=SECONDS, accept=tuple(range(256)))
    except AgentctlError:
        return ""


def _public(layout: Layout) -> set[str]:
    """Give the values that stand in the release, which everybody may fetch."""
    try:
        release = read_release(layout.current)
    except (OSError, AgentctlError):
        return set()
    return {*environment(release, str(layout.home)).values(), str(layout.home)}


def _of_env(path: Path) -> Iterator[str]:
    yield from parse_env(_read(path)).values()


def _of_file(path: Path) -> Iterator[str]:
    """Give what a file of credentials has: all of it, and each value where it has names."""
    text = _read(path)
    yield text.strip()
    yield from parse_env(text).values()


def _values(line: str) -> Iterator[str]:
    try:
        words = shlex.split(line.replace("\\\n", " "))
    except ValueError:
        words = line.split()
    for word in words:
        name, _, value = word.partition("=")
        if name != "PATH":
            yield value
            yield value.replace("%%", "%")


def _read(path: Path) -> str:
    try:
        if not path.is_file():  # a pipe would hold us for ever
            return ""
        with path.open("rb") as file:
            return file.read(LIMIT).decode("utf-8", "replace")
    except PermissionError as error:
        raise NotPermitted(
            f"this user may not read {path}, and so can't take its secrets out of the bundle",
            hint="run the command with sudo",
        ) from error
    except OSError:
        return ""
