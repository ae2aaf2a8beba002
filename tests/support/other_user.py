"""Runs a command as somebody else: for tests of what must not depend on who runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_UID = "54321"
# As root, through sudo, or as the same user under another number.
_WAYS = (
    ("setpriv", f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups"),
    ("sudo", "-n", "-E", "setpriv", f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups"),
    ("unshare", "--user", f"--map-user={_UID}", f"--map-group={_UID}"),
)


def way_to_run(probe: Sequence[str], env: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Give the words to put before a command, by which `probe` runs; none where nothing does."""
    for start in _WAYS:
        # setpriv itself still has root's rights when it starts a program; env has them no more.
        way = (*start, "env")
        try:
            done = subprocess.run(
                [*way, *probe], capture_output=True, env=env, cwd=folder, check=False
            )
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            return way
    return ()
