"""Runs an agentctl and ends it, stands still or fills the disk, before or after a certain step.

Runs on hosts under test with their own Python: drive.py AGENTCTL kill|hold|fill before:STEP VERB.
With `list`, it prints each step as it begins instead. What fills the disk is /opt/ballast.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

agentctl, how, point, *verb = sys.argv[1:]
sys.path.insert(0, agentctl)

from toolkit.host import steps  # noqa: E402 - from the agentctl that was named


def perform(name: str, action: Callable[[], Any]) -> Any:
    if how == "list":
        print(f"step: {name}", flush=True)
    stop(f"before:{name}")
    result = action()
    stop(f"after:{name}")
    return result


def stop(here: str) -> None:
    if here != point:
        return
    print(f"stopped {here}", flush=True)
    if how == "fill":
        fill()
        return
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


def fill() -> None:
    ballast = Path("/opt/ballast")
    for size in (1 << 20, 1 << 12, 1):
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(size))


steps.perform = perform

from toolkit.host.cli import main  # noqa: E402 - it takes `perform` by its name

sys.argv = [agentctl, *verb]
sys.exit(main(verb))
