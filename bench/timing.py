"""How long a program runs, and how much of the CPUs it takes: the second says more on a busy
machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and seconds of CPU of the program and all that it started."""

    clock: float
    cpu: float


class Failed(Exception):
    """A program that is measured did not do its work."""


def timed(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Spent:
    """Run a program from its start to its end."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=dict(environment), cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    spent = Spent(time.perf_counter() - began, used.ru_utime + used.ru_stime)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failed(f"{command[0]} exited with {process.returncode}")
    return spent


def median(runs: Sequence[Spent]) -> Spent:
    """Give the median of each figure by itself."""
    return Spent(
        statistics.median(run.clock for run in runs), statistics.median(run.cpu for run in runs)
    )
