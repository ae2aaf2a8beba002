"""Heartbeats with their token checked and stored, against a bare JSON echo on the same server.

    python -m bench.controller.heartbeats [--seconds 4] [--rounds 9] [--connections 128]

All run as uvicorn with uvloop and httptools, and are called by the same client on keep-alive
connections. The echo and the controller on SQLite, with its process that writes, have one core; the
client has another. The controller on PostgreSQL, two workers, has all cores, as have PostgreSQL and
the client. Before it is measured, each agent's history is full, as it is two hours after
it began. Machines that others share are fast and slow by turns: what counts is the median of
the ratios of runs that follow each other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

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
from tests.support.crowd import drive, heartbeats, plant

_AGENTS, _HISTORY = 1000, 120
_CORES = sorted(os.sched_getaffinity(0))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--connections", type=int, default=128)
    chosen = parser.parse_args()
    with ExitStack() as held:
        targets: list[tuple[Measured, list[bytes]]] = []
        for make, cores in ((sqlite, _CORES[:1]), (postgresql, _CORES)):
            with _on(cores):
                measured, server = held.enter_context(make())
            requests = heartbeats(asyncio.run(plant(server.database, _AGENTS)))
            filling = drive(server.port, requests * _HISTORY, chosen.connections, 600, once=True)
            assert asyncio.run(filling).bad == 0
            targets.append((measured, requests))
        with _on(_CORES[:1]):
            targets.insert(0, (held.enter_context(echo()), targets[0][1]))
        rounds: list[list[Run]] = []
        for _ in range(chosen.rounds):
            runs = []
            for place, (target, requests) in enumerate(targets):
                with _on(_CORES if place == len(targets) - 1 else _CORES[1:] or _CORES):
                    runs.append(run(target, requests, chosen.connections, chosen.seconds))
            rounds.append(runs)
        report([target.name for target, _ in targets], rounds)


@contextmanager
def _on(cores: list[int]) -> Iterator[None]:
    """Run, with what is started meanwhile, on these cores alone."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, _CORES)


def report(names: list[str], rounds: list[list[Run]]) -> None:
    """Print the median of each figure, and of the ratios within each round."""
    print(f"heartbeats, medians of {len(rounds)} rounds; {conditions()}")
    rows, ratios = [], [1.0]
    for place, name in enumerate(names):
        runs = [each[place] for each in rounds]
        faster = [each[place].rate / each[0].rate for each in rounds]
        cheaper = [each[0].cpu / each[place].cpu for each in rounds]
        ratios.append(statistics.median(faster))
        rows.append(
            (
                name,
                f"{statistics.median(each.rate for each in runs):.0f}",
                f"{statistics.median(faster):.2f}",
                f"{min(faster):.2f}-{max(faster):.2f}",
                f"{statistics.median(each.cpu for each in runs):.0f}",
                f"{statistics.median(cheaper):.2f}",
                f"{statistics.median(each.p50 for each in runs):.1f}",
                f"{statistics.median(each.p99 for each in runs):.1f}",
                str(sum(each.bad for each in runs)),
            )
        )
    heads = ("a second", "ratio", "from-to", "CPU µs each", "CPU ratio", "p50 ms", "p99 ms")
    table(("", *heads, "refused"), rows)
    ratio = ratios[2]
    print(verdict(f"{ratio:.2f} of the echo's rate", "at least 0.5", ratio >= 0.5))


if __name__ == "__main__":
    main()
