"""How long a service is away while it is upgraded, as a client sees it that asks every 10 ms.

Beside it stands the agent's own start: `systemctl restart` of the same version on the same host,
seen by the same client, in turns. The agent is the small one of the tests, in Python; both versions
are on the host, so nothing but the switch is measured. For `direct`, which has no plain restart of
its own, only the upgrade is shown.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.install import hosts
from bench.timing import Failed
from tests.support.driven import Driven
from tests.support.hosts import Host
from tests.support.podman import podman_argv
from tests.support.releases import tiny

RUNS = 7
MORE = 0.5
URL = "http://127.0.0.1:7070/"
RESTART, UPGRADE = "systemctl restart", "upgrade, systemd"
DIRECT = "upgrade, direct"
_CLIENT = "/srv/polling.py"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        report(measure(Path(name)))


def measure(work: Path) -> Mapping[str, list[float]]:
    """Give the seconds that the service was away, by what was done."""
    gaps: dict[str, list[float]] = {}
    with hosts(work) as (_, boot):
        for manager in ("systemd", "direct"):
            host = boot()
            try:
                on_host(host, manager, work / manager, gaps)
            finally:
                host.remove()
    return gaps


def on_host(host: Host, manager: str, work: Path, gaps: dict[str, list[float]]) -> None:
    driven = Driven.on(host, "tiny", manager)
    verbs = [
        [*driven.offer(tiny(work / version, version=version)), "--watch", "1"]
        for version in ("1.0.0", "1.1.0")
    ]
    host.put(Path(__file__).with_name("polling.py"), _CLIENT)
    do(driven, verbs[0])
    for run in range(RUNS):
        if manager == "systemd":
            gaps.setdefault(RESTART, []).append(away(host, partial(restart, host)))
        verb = verbs[(run + 1) % 2]
        how = UPGRADE if manager == "systemd" else DIRECT
        gaps.setdefault(how, []).append(away(host, partial(do, driven, verb)))


def do(driven: Driven, verb: list[str]) -> None:
    done = driven.run(verb)
    if done.returncode != 0:
        raise Failed(done.stdout + done.stderr)


def restart(host: Host) -> None:
    host.run(["systemctl", "restart", "tiny.service"], user="root")


def away(host: Host, action: Callable[[], None]) -> float:
    """Let the client ask while `action` is done; gives the longest gap, in seconds."""
    argv = podman_argv("exec", "--interactive", host.name, "python3", _CLIENT, URL)
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as client:
        if client.stdout is None or client.stdout.readline().strip() != "ready":
            raise Failed("the client had no answer")
        action()
        said, _ = client.communicate("enough\n", timeout=60)
    return float(max(json.loads(said)))


def report(gaps: Mapping[str, list[float]]) -> None:
    console = Console(width=100)
    console.print(
        f"{os.cpu_count()} CPUs, {platform.machine()}; medians of {RUNS}, a client asks each 10 ms"
    )
    table = Table("what was done", "seconds away", "shortest - longest", box=None)
    for what, seconds in gaps.items():
        between = f"{min(seconds):.2f} - {max(seconds):.2f}"
        table.add_row(what, f"{statistics.median(seconds):.2f}", between)
    console.print(table)
    more = statistics.median(gaps[UPGRADE]) - statistics.median(gaps[RESTART])
    held = "held" if more <= MORE else "MISSED"
    console.print(
        f"an upgrade takes {more:+.2f} s against the agent's own start "
        f"(goal: at most {MORE:+g} s; {held})"
    )


if __name__ == "__main__":
    main()
