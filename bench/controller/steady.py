"""100,000 agents with one heartbeat a minute: what each waits, and what the server holds.

    python -m bench.controller.steady [--agents 100000] [--seconds 120] [--postgresql]

Heartbeats are sent when they are due, whether or not earlier ones were answered; what one waits
counts from when it was due. They share keep-alive connections, as behind a proxy.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import deque

from bench.controller.measured import (
    Measured,
    conditions,
    postgresql,
    run_of,
    sqlite,
    table,
    verdict,
)
from tests.support.crowd import Load, heartbeats, plant

_CONNECTIONS = 256
_TICK = 0.004


class Line(asyncio.Protocol):
    """One connection: sends one request, and gives itself back when the answer is whole."""

    def __init__(self, load: Load, free: deque[Line]) -> None:
        self._load = load
        self._free = free
        self._got = b""
        self._due = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._free.append(self)

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length: ")[1].split()[0]):
            return
        self._load.times.append(time.perf_counter() - self._due)
        self._load.bad += not head.startswith(b"HTTP/1.1 200")
        self._got = b""
        self._free.append(self)


async def steady(port: int, requests: list[bytes], rate: float, seconds: float) -> Load:
    """Send `rate` requests a second, evenly."""
    load, free = Load(), deque[Line]()
    loop = asyncio.get_running_loop()
    for _ in range(_CONNECTIONS):
        await loop.create_connection(lambda: Line(load, free), "127.0.0.1", port)
    total, sent, begin = int(rate * seconds), 0, time.perf_counter()
    while sent < total:
        now = time.perf_counter()
        while sent < total and begin + sent / rate <= now and free:
            free.popleft().send(requests[sent % len(requests)], begin + sent / rate)
            sent += 1
        await asyncio.sleep(_TICK)
    end = time.perf_counter() + 60
    while len(load.times) < total and time.perf_counter() < end:
        await asyncio.sleep(0.05)
    load.bad += total - len(load.times)
    return load


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--postgresql", action="store_true")
    chosen = parser.parse_args()
    with (postgresql if chosen.postgresql else sqlite)() as (measured, server):
        requests = heartbeats(asyncio.run(plant(server.database, chosen.agents)))
        random.Random(1).shuffle(requests)
        report(measured, requests, chosen.seconds)


def report(measured: Measured, requests: list[bytes], seconds: float) -> None:
    """Measure, and print."""
    rate = len(requests) / 60
    before, resting = measured.cpu(), measured.peak()
    load = asyncio.run(steady(measured.port, requests, rate, seconds))
    one, peak = run_of(load, seconds, measured.cpu() - before), measured.peak()
    print(f"{len(requests)} agents, a heartbeat a minute each, {seconds:.0f} s; {conditions()}")
    table(
        (
            "",
            "a second",
            "p50 ms",
            "p99 ms",
            "most ms",
            "CPU µs each",
            "MB before",
            "MB",
            "refused",
        ),
        [
            (
                *(measured.name, f"{one.rate:.0f}", f"{one.p50:.1f}", f"{one.p99:.1f}"),
                *(f"{max(load.times) * 1000:.0f}", f"{one.cpu:.0f}"),
                *(f"{resting:.0f}", f"{peak:.0f}", str(load.bad)),
            )
        ],
    )
    print(verdict(f"p99 {one.p99:.1f} ms", "at most 50 ms", one.p99 <= 50 and not load.bad))
    print(verdict(f"{peak:.0f} MB", "at most 500 MB", peak <= 500))


if __name__ == "__main__":
    main()
