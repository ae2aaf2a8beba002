"""`python -m tests.support.models --port 8080`: all APIs at one address; each answer is an echo."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from tests.support.models.server import model_server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.models", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with model_server(port=parser.parse_args().port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        stop.wait()


if __name__ == "__main__":
    main()
