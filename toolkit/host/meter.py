"""Keeps all that is fetched below a rate, so that a host's other work has its share of the line."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.host.errors import UsageError

# Below this, a download could not be told from one that is stuck.
LEAST = 10_000
_RATE = re.compile(r"(\d{1,9})\s*([kKMG]?)B?(?:/s)?")
_FACTORS = {"": 1, "k": 1000, "K": 1000, "M": 1000**2, "G": 1000**3}
# How much of a second may come at once.
_BURST = 0.25


def parse_rate(text: str) -> int:
    """Read bytes per second: `500k`, `5M`; raises UsageError."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no rate", hint="say bytes per second: 500k or 5M")
    rate = int(match[1]) * _FACTORS[match[2]]
    if rate < LEAST:
        raise UsageError(f"{text} is too slow", hint=f"take {LEAST // 1000}k or more")
    return rate


class Bucket:
    """Tokens for bytes: `rate` of them come each second, and a part of a second's can wait."""

    def __init__(self, rate: float) -> None:
        self.most = max(int(rate * _BURST), 1)
        self._rate = rate
        self._tokens = float(self.most)
        self._at = time.monotonic()

    def take(self, count: int) -> None:
        """Wait until `count` bytes are paid for."""
        now = time.monotonic()
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self.most) - count
        self._at = now
        if self._tokens < 0:
            time.sleep(-self._tokens / self._rate)


# Below all that fetches, as urllib's opener is, so that nothing which fetches can forget it.
_buckets: list[Bucket] = []


@contextmanager
def metered(rate: int | None) -> Iterator[None]:
    """Fetch no more than `rate` bytes a second while the block runs; as fast as can be for None."""
    if rate is None:
        yield
        return
    _buckets.append(Bucket(rate))
    try:
        yield
    finally:
        _buckets.pop()


def read_some(response: http.client.HTTPResponse, most: int) -> bytes:
    """Read what is there, at most `most` bytes, no faster than is allowed."""
    if not _buckets:
        return response.read1(most)
    bucket = _buckets[-1]
    chunk = response.read1(min(most, bucket.most))
    bucket.take(len(chunk))
    return chunk
