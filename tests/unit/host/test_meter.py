"""How fast hosts fetch, and how they wait for a store that is busy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.support.serve import StoreServer
from toolkit.host import metadata, meter, retry
from toolkit.host._vendor.tuf.api.exceptions import DownloadError
from toolkit.host.errors import DownloadFailed, UsageError
from toolkit.host.fetch import Source, download
from toolkit.host.meter import Bucket, metered, parse_rate
from toolkit.host.retry import LONGEST, asked_to_wait, spread

DATA = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(DATA).hexdigest()


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(meter, "time", clock)
    return clock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreServer]:
    root = tmp_path / "store"
    root.mkdir()
    (root / "file").write_bytes(DATA)
    with StoreServer(root) as server:
        yield server


def fetch_file(store: StoreServer, tmp_path: Path) -> bytes:
    target = tmp_path / "got"
    download(Source(f"{store.url}/file", SHA256, len(DATA)), target, lambda *_: None)
    return target.read_bytes()


def test_rates() -> None:
    assert [parse_rate(text) for text in ("500k", "5M", "5MB/s", "20000")] == [
        500_000,
        5_000_000,
        5_000_000,
        20_000,
    ]
    for text in ("", "fast", "5T", "9k", "-1M"):
        with pytest.raises(UsageError):
            parse_rate(text)


def test_a_bucket_holds_to_its_rate(clock: Clock) -> None:
    bucket = Bucket(1000)
    for _ in range(20):
        bucket.take(250)
    assert clock.now - 100 == pytest.approx(20 * 250 / 1000 - 0.25)
    clock.now += 3600  # what was not used is not saved up
    before = clock.now
    bucket.take(250)
    bucket.take(1000)
    assert clock.now - before == pytest.approx(1)


def test_a_metered_download_takes_its_time(
    store: StoreServer, tmp_path: Path, clock: Clock
) -> None:
    with metered(100_000):
        assert fetch_file(store, tmp_path) == DATA
    assert clock.now - 100 >= len(DATA) / 100_000 - 0.26
    after = clock.now
    (tmp_path / "got").unlink()
    assert fetch_file(store, tmp_path) == DATA
    assert clock.now == after


def test_metadata_is_metered_too(store: StoreServer, clock: Clock) -> None:
    with metered(100_000):
        fetcher = metadata.MetadataFetcher()
        assert fetcher.download_bytes(f"{store.url}/file", len(DATA)) == DATA
    assert clock.now - 100 >= len(DATA) / 100_000 - 0.26


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [(429, "5", 5), (503, "0", 0), (500, "5", 0), (503, None, 0), (429, "soon", 0), (429, "-5", 0)],
)
def test_what_an_answer_asks_for(status: int, text: str | None, seconds: float) -> None:
    headers = Message()
    if text is not None:
        headers["Retry-After"] = text
    assert asked_to_wait(status, headers) == seconds


def test_a_date_is_understood_and_nobody_is_kept_away_for_ever() -> None:
    headers = Message()
    headers["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    assert 580 < asked_to_wait(503, headers) <= 600
    headers.replace_header("Retry-After", str(10**9))
    assert asked_to_wait(429, headers) == LONGEST


def test_no_two_hosts_wait_for_the_same_time() -> None:
    waits = {spread(4, 10) for _ in range(100)}
    assert len(waits) > 90
    assert 12 <= min(waits) <= max(waits) <= 16


def test_a_short_wait_is_waited_for(
    store: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("toolkit.host.fetch.time.sleep", waited.append)
    store.fail(429, times=1, retry_after="7")
    assert fetch_file(store, tmp_path) == DATA
    assert len(waited) == 1
    assert 7 < waited[0] < 9


def test_for_a_long_wait_a_host_goes_away(store: StoreServer, tmp_path: Path) -> None:
    store.fail(503, retry_after="3600")
    with pytest.raises(DownloadFailed) as caught:
        fetch_file(store, tmp_path)
    assert caught.value.retry_after == 3600
    assert len(store.requests) == 1
    with pytest.raises(DownloadError) as refused:
        metadata.MetadataFetcher().download_bytes(f"{store.url}/file", len(DATA))
    assert isinstance(refused.value, metadata.Passing)
    assert refused.value.wait == 3600
    assert retry.PATIENCE < 3600
