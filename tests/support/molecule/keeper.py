"""Makes a scenario's hosts and its store, and takes them away: what create and destroy call.

    python -m tests.support.molecule.keeper up --scenario default --inventory FOLDER host-1 host-2
    python -m tests.support.molecule.keeper down --scenario default

`up` leaves a process that serves the store and owns hosts and network, as a test process does;
`down` ends it, and they go with it. Should it be killed, the next test run on the machine removes
what it left.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.molecule.kept import Wanted, keep
from tests.support.molecule.made import MADE, collections, image, offer
from tests.support.podman import process_stamp
from tests.support.releases import TOP

_UP_SECONDS = 900  # a new machine makes its image of a host first
_DOWN_SECONDS = 300  # hosts with tens of thousands of files take long to remove


def main() -> int:
    given = _arguments()
    if given.verb == "keep":
        keep(_wanted(given), ready=_ready(given.scenario))
    elif given.verb == "up":
        up(given)
    else:
        down(given.scenario)
    return 0


def up(given: argparse.Namespace) -> None:
    """Start the keeper, and wait until the inventory is written; raises SystemExit."""
    down(given.scenario)
    collections()
    offer(given.agent)
    ready, said = _ready(given.scenario), MADE / f"{given.scenario}.keeper.log"
    argv = [sys.executable, "-m", __spec__.name, "keep", *sys.argv[2:]]
    with said.open("wb") as log:
        kept = subprocess.Popen(
            argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + _UP_SECONDS
    while not ready.exists():
        if kept.poll() is not None or time.monotonic() > deadline:
            kept.terminate()
            sys.exit(f"the hosts of {given.scenario} are not up:\n{said.read_text('utf-8')}")
        time.sleep(0.1)


def down(scenario: str) -> None:
    """End the keeper of a scenario, where there is one; raises SystemExit."""
    ready = _ready(scenario)
    if not ready.exists():
        return
    stamp = ready.read_text("utf-8")
    pid = int(stamp.partition(":")[0])
    deadline = time.monotonic() + _DOWN_SECONDS
    while process_stamp(pid) == stamp:
        os.kill(pid, signal.SIGTERM)
        if time.monotonic() > deadline:
            sys.exit(f"the keeper of {scenario}, process {pid}, does not end")
        time.sleep(0.2)
    ready.unlink()


def _ready(scenario: str) -> Path:
    return MADE / f"{scenario}.keeper"


def _wanted(given: argparse.Namespace) -> Wanted:
    return Wanted(
        scenario=given.scenario,
        hosts=tuple(given.hosts),
        agent=given.agent,
        image=given.image,
        inventory=given.inventory,
        kind=given.kind,
        served=not given.no_store,
        packages=tuple(given.packages),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="keeper", description=__doc__)
    parser.add_argument("verb", choices=("up", "down", "keep"))
    parser.add_argument("hosts", nargs="*")
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--inventory", type=Path, help="the folder to write the inventory into")
    parser.add_argument("--agent", default="frail", help="the sample agent that the store offers")
    parser.add_argument("--image", default=image(), help="a Debian suite, or an image")
    parser.add_argument("--kind", choices=("container", "machine"), default="container")
    parser.add_argument("--no-store", action="store_true", help="serve none to the hosts")
    parser.add_argument(
        "--package", dest="packages", action="append", default=[], help="hosts may install it"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
