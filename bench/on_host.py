"""Runs on a host under test, by itself: times a command until a service answers, and to its end.

Prints one line of JSON: seconds until the URL answered 200 and until the command had ended,
seconds of CPU of the command, bytes that came in by the network, bytes that the disk holds more.
"""

import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

TICK = 0.02
LIMIT = 600.0
RECEIVED = Path("/sys/class/net/eth0/statistics/rx_bytes")


def main(url: str, *command: str) -> None:
    """Print the figures of `command`; exits with its code where that is not 0."""
    disk, received = used(), int(RECEIVED.read_text())
    began = time.perf_counter()
    with Path("/tmp/said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        answered, ended = follow(process, url, began)
    if process.returncode != 0 or not answered:
        sys.exit(f"{command} exited with {process.returncode}:\n{Path('/tmp/said').read_text()}")
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    moved = int(RECEIVED.read_text()) - received
    figures = {
        "answered": answered - began,
        "ended": ended - began,
        "cpu": children.ru_utime + children.ru_stime,
        "moved": moved,
        "disk": used() - disk,
    }
    print(json.dumps(figures))


def follow(process: "subprocess.Popen[bytes]", url: str, began: float) -> "tuple[float, float]":
    """Give when the URL first answered, and when the process ended; 0 for what never was."""
    answered = ended = 0.0
    while time.perf_counter() < began + LIMIT and not (answered and ended):
        now = time.perf_counter()
        if not answered and answers(url):
            answered = time.perf_counter()
        if not ended and process.poll() is not None:
            ended = now
            if process.returncode != 0:
                break
        time.sleep(TICK)
    return answered, ended


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def used() -> int:
    """Give the bytes of all files on the root filesystem."""
    os.sync()
    said = subprocess.check_output(["sudo", "du", "-sx", "--block-size=1", "/"], text=True)
    return int(said.split()[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
