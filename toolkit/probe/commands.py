"""Runs the host's own programs, as the user whom they concern."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.probe.files import reason

SECONDS = 15
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_RUN = -1


@dataclass(frozen=True)
class Command:
    """What to run; `user` counts only where root looks, since nobody else can step down."""

    argv: Sequence[str]
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: `code` as in the shell, and `why` its last words or what hindered it."""

    code: int
    out: str = ""
    why: str = ""


def run(command: Command) -> Outcome:
    """Run a command with no input and a bounded time."""
    try:
        done = subprocess.run(
            list(command.argv),
            cwd="/",
            env=_environment(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
            **_rights(command.user),
        )
    except subprocess.TimeoutExpired:
        return Outcome(NOT_RUN, why=f"{command.argv[0]} did not end in {SECONDS} s")
    except KeyError:
        return Outcome(NOT_RUN, why=f"there is no user {command.user}")
    except OSError as error:
        return Outcome(NOT_RUN, why=f"{command.argv[0]}: {reason(error)}")
    words = done.stderr.strip().splitlines()
    return Outcome(done.returncode, done.stdout, words[-1] if words else "")


def _environment(command: Command) -> dict[str, str]:
    home = os.environ.get("HOME", "/")
    if command.user:
        home = pwd.getpwnam(command.user).pw_dir
    return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": home, **command.environment}


def _rights(user: str | None) -> dict[str, Any]:
    if user is None or os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    groups = os.getgrouplist(user, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
