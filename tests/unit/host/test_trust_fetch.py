"""Tarballs whose length was signed: nothing beyond it is read, and no host waits for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.drip import drip
from tests.support.serve import StoreServer
from toolkit.host import fetch
from toolkit.host.errors import DownloadFailed, EndlessData, HashMismatch
from toolkit.host.fetch import Source, download

DATA = b"x" * 3_000_000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreServer]:
    monkeypatch.setattr(fetch, "PAUSES", (0.01,))
    root = tmp_path / "store"
    root.mkdir()
    (root / "file").write_bytes(DATA)
    with StoreServer(root) as server:
        yield server


def get(url: str, target: Path, size: int) -> None:
    download(Source(f"{url}/file", SHA256, size), target, lambda _, __: None)


def test_a_file_of_the_signed_length_arrives(store: StoreServer, tmp_path: Path) -> None:
    get(store.url, tmp_path / "target", len(DATA))
    assert (tmp_path / "target").read_bytes() == DATA


def test_what_is_longer_is_cut_off(store: StoreServer, tmp_path: Path) -> None:
    with pytest.raises(EndlessData) as caught:
        get(store.url, tmp_path / "target", 1000)
    assert "longer than the 1000 bytes that were signed" in caught.value.message
    assert "do not trust this store" in caught.value.hint
    assert not (tmp_path / "target").exists()


def test_what_has_no_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSES", ())
    with drip(every=0.001) as url, pytest.raises(EndlessData):
        get(url, tmp_path / "target", 20)


def test_what_is_shorter_is_not_the_file(store: StoreServer, tmp_path: Path) -> None:
    (store.root / "file").write_bytes(DATA[:-1])
    with pytest.raises(HashMismatch):
        get(store.url, tmp_path / "target", len(DATA))


def test_a_store_that_drips_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSES", ())
    monkeypatch.setattr(fetch, "WINDOW", 0.3)
    with drip(every=0.05) as url, pytest.raises(DownloadFailed) as caught:
        get(url, tmp_path / "target", len(DATA))
    assert "at less than 1000 bytes a second" in caught.value.message
