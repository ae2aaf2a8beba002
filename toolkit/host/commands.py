"""Runs the host's programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.host.accounts import Account
from toolkit.host.errors import CommandFailed
from toolkit.host.release import SYSTEM_PATH

LAST_LINES = 15


def run(
    argv: Sequence[str],
    *,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
    accept: tuple[int, ...] = (0,),
) -> str:
    """Run `argv`, as `account` where that is another user, and give what it printed.

    The environment is `env` and a plain PATH, nothing of the caller's. Raises CommandFailed
    with the program's last lines when it exits with a code that is not in `accept`.
    """
    environment = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", **(env or {})}
    switch = switch_user(account)
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            list(argv),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            cwd="/",
            # Ctrl-C is for agentctl: it decides what of its work is cut off.
            start_new_session=True,
            **switch,
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"{argv[0]} is not on this host", hint="install it") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"`{' '.join(argv)}` did not end within {timeout:g} s") from error
    if done.returncode not in accept:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-LAST_LINES:]
        raise CommandFailed(
            f"`{' '.join(argv)}` failed with exit code {done.returncode}: " + "\n".join(lines)
        )
    return done.stdout


def switch_user(account: Account | None) -> dict[str, Any]:
    """Give the arguments of Popen that make a child run as `account`."""
    if account is None or account.uid == os.geteuid():
        return {}
    groups = os.getgrouplist(account.name, account.gid)
    return {"user": account.uid, "group": account.gid, "extra_groups": groups}
