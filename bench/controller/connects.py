"""Connections of agents a second, against what bcrypt alone allows on this machine.

python -m bench.controller.connects [--seconds 10] [--agents 500]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt
from aiwm_controller.passwords import ROUNDS

from bench.controller.measured import conditions, run, sqlite, table
from tests.support.crowd import plant, request

_SECRET = b"5" * 64


def alone(hashed: bytes, seconds: float) -> float:
    """Give how many secrets are checked a second by threads that do nothing else."""
    end = time.perf_counter() + seconds

    def check() -> int:
        count = 0
        while time.perf_counter() < end:
            assert bcrypt.checkpw(_SECRET, hashed)
            count += 1
        return count

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        return sum(each.result() for each in [pool.submit(check) for _ in range(threads)]) / seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--agents", type=int, default=500)
    chosen = parser.parse_args()
    hashed = bcrypt.hashpw(_SECRET, bcrypt.gensalt(ROUNDS))
    with sqlite() as (measured, server):
        planted = asyncio.run(plant(server.database, chosen.agents, secret_hash=hashed.decode()))
        body = json.dumps({"secret": _SECRET.decode()}).encode()
        requests = [request(f"/agents/{agent}/connect", "", body) for agent, _ in planted]
        limits, runs = [], []
        for _ in range(3):
            limits.append(alone(hashed, chosen.seconds))
            runs.append(run(measured, requests, 16, chosen.seconds))
    best, limit = max(runs, key=lambda one: one.rate), max(limits)
    print(f"connections, bcrypt of {ROUNDS} rounds, the best of 3 runs in turns; {conditions()}")
    table(
        ("", "a second", "ratio", "p50 ms", "p99 ms", "refused"),
        [
            ("bcrypt alone", f"{limit:.0f}", "1.00", "", "", ""),
            (
                *("connect", f"{best.rate:.0f}", f"{best.rate / limit:.2f}"),
                *(f"{best.p50:.0f}", f"{best.p99:.0f}", str(sum(one.bad for one in runs))),
            ),
        ],
    )


if __name__ == "__main__":
    main()
