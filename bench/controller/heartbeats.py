"""Heartbeats with their token checked and stored, against a bare JSON echo on the same server.

    python -m bench.controller.heartbeats [--seconds 10] [--connections 128] [--agents 1000]

All run as uvicorn with uvloop and httptools, one after the other, three times in turn, and are
called by the same client on keep-alive connections. The echo and SQLite have one process.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import ExitStack

from bench.controller.measured import (
    Measured,
    Run,
    conditions,
    echo,
    postgresql,
    run,
    sqlite,
    table,
    verdict,
)
from tests.support.crowd import heartbeats, plant


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--agents", type=int, default=1000)
    chosen = parser.parse_args()
    with ExitStack() as held:
        targets: list[tuple[Measured, list[bytes]]] = []
        for make in (sqlite, postgresql):
            measured, server = held.enter_context(make())
            requests = heartbeats(asyncio.run(plant(server.database, chosen.agents)))
            targets.append((measured, requests))
            run(measured, requests, chosen.connections, min(3, chosen.seconds))  # tokens, pages
        targets.insert(0, (held.enter_context(echo()), targets[0][1]))
        runs: dict[str, list[Run]] = {target.name: [] for target, _ in targets}
        for _ in range(3):
            for target, requests in targets:
                runs[target.name].append(run(target, requests, chosen.connections, chosen.seconds))
        report(runs)


def report(runs: dict[str, list[Run]]) -> None:
    """Print the best run of each: what else the machine does only ever takes away."""
    best = {name: max(each, key=lambda one: one.rate) for name, each in runs.items()}
    least = {name: min(one.cpu for one in each) for name, each in runs.items()}
    base, base_cpu = best["bare echo"].rate, least["bare echo"]
    print(f"heartbeats, the best of 3 runs in turns; {conditions()}")
    table(
        ("", "a second", "ratio", "CPU µs each", "CPU ratio", "p50 ms", "p99 ms", "refused"),
        [
            (
                name,
                f"{one.rate:.0f}",
                f"{one.rate / base:.2f}",
                f"{least[name]:.0f}",
                f"{base_cpu / least[name]:.2f}",
                f"{one.p50:.1f}",
                f"{one.p99:.1f}",
                str(sum(each.bad for each in runs[name])),
            )
            for name, one in best.items()
        ],
    )
    ratio = best["SQLite"].rate / base
    print(verdict(f"{ratio:.2f} of the echo's rate", "at least 0.5", ratio >= 0.5))


if __name__ == "__main__":
    main()
