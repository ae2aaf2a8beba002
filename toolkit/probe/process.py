"""What the kernel says of the main process."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from toolkit.probe.files import Facts, reason, user_name

EFFECTIVE_IDS = re.compile(r"^[UG]id:\s+\d+\s+(\d+)", re.MULTILINE)
STARTED = 19  # the field of /proc/PID/stat, counted after the name: see proc(5)


def process_fact(pid: int, home: Path) -> Facts:
    """Describe the process: whose it is, since when, and what below the home it runs from."""
    proc = Path("/proc", str(pid))
    try:
        status = (proc / "status").read_text("utf-8", "replace")
        fields = (proc / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        words = (proc / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError as error:
        return {"user": "", "paths": [], "started": 0, "problem": reason(error)}
    # Not /proc/uptime: some containers show their own there, while `stat` counts from the boot.
    ticks = int(fields[STARTED])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    user, group = (int(found) for found in EFFECTIVE_IDS.findall(status))
    seen, problem = _links_and_maps(proc)
    if problem and os.geteuid() == 0:
        seen, problem = _as_user(user, group, proc)
    return {
        "user": user_name(user),
        "paths": sorted(_below(home, [*words, *seen])),
        "started": time.time() - age,
        "problem": problem,
    }


def _links_and_maps(proc: Path) -> tuple[list[str], str]:
    """Give the paths that only root and the process's own user may see, or why they are hidden."""
    try:
        lines = (proc / "maps").read_text("utf-8", "replace").splitlines()
        mapped = {line.split(None, 5)[5] for line in lines if "/" in line}
        return [str((proc / "exe").readlink()), str((proc / "cwd").readlink()), *mapped], ""
    except OSError as error:
        return [], reason(error)


def _as_user(user: int, group: int, proc: Path) -> tuple[list[str], str]:
    """Look again as the process's own user: root in a container may lack CAP_SYS_PTRACE."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
            os.write(theirs, json.dumps(_links_and_maps(proc)).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        return [], f"could not look as its user, {user_name(user)}"
    seen, problem = json.loads(text)
    return seen, problem


def _below(home: Path, paths: Iterable[str]) -> set[str]:
    """Give the paths below the home, relative to it and cut: to releases/VERSION, or to a word."""
    found = set()
    for path in paths:
        for prefix in (f"{home}/", f"{os.path.realpath(home)}/"):
            if path.startswith(prefix):
                parts = path[len(prefix) :].removesuffix(" (deleted)").split("/")
                found.add("/".join(parts[: 2 if parts[0] == "releases" else 1]))
    return found
