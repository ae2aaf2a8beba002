"""Downloads against a real HTTP server on loopback, with its faults."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.private_ca import PrivateCa
from tests.support.serve import StoreServer
from toolkit.host import fetch
from toolkit.host.errors import DownloadFailed, HashMismatch, UsageError
from toolkit.host.fetch import Source, download
from toolkit.host.metadata import MetadataFetcher, NotBelieved

DATA = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreServer]:
    monkeypatch.setattr(fetch, "PAUSES", (0.01, 0.01, 0.01))
    root = tmp_path / "store"
    root.mkdir()
    (root / "file").write_bytes(DATA)
    with StoreServer(root) as server:
        yield server


def get(store: StoreServer, target: Path, name: str = "file") -> list[tuple[int, int | None]]:
    seen: list[tuple[int, int | None]] = []
    source = Source(f"{store.url}/{name}", SHA256)
    download(source, target, lambda here, total: seen.append((here, total)))
    return seen


def test_the_file_arrives_and_its_way_is_told(store: StoreServer, tmp_path: Path) -> None:
    seen = get(store, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))


def test_a_folder_of_this_host_serves_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    source = Source((tmp_path / "file").as_uri(), SHA256)
    download(source, tmp_path / "target", lambda _, __: None)
    assert (tmp_path / "target").read_bytes() == DATA


def test_a_broken_download_goes_on_in_the_same_run(store: StoreServer, tmp_path: Path) -> None:
    store.truncate("file", after=1_000_000, times=2)
    get(store, tmp_path / "target")
    assert [request.range for request in store.requests] == [
        None,
        "bytes=1000000-",
        "bytes=2000000-",
    ]


def test_what_an_earlier_run_left_is_used(store: StoreServer, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(DATA[:3_000_000])
    get(store, tmp_path / "target")
    assert [request.range for request in store.requests] == ["bytes=3000000-"]


def test_a_damaged_rest_of_an_earlier_run_is_no_proof_against_the_store(
    store: StoreServer, tmp_path: Path
) -> None:
    """A power cut leaves zeros where data was not yet written."""
    for damaged in (b"\0" * 1000, DATA + b"more", b"\0" * len(DATA)):
        (tmp_path / "target").write_bytes(damaged)
        get(store, tmp_path / "target")
        assert (tmp_path / "target").read_bytes() == DATA


def test_other_bytes_are_refused_and_do_not_stay(store: StoreServer, tmp_path: Path) -> None:
    store.tamper("file")
    with pytest.raises(HashMismatch) as caught:
        get(store, tmp_path / "target")
    assert SHA256 in caught.value.message
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_tried_again(status: int, store: StoreServer, tmp_path: Path) -> None:
    store.fail(status, path_suffix="file", times=3)
    get(store, tmp_path / "target")
    assert len(store.requests) == 4


@pytest.mark.parametrize(("status", "hint"), [(401, "credentials"), (403, "public"), (404, "upl")])
def test_a_lasting_fault_is_told_at_once(
    status: int, hint: str, store: StoreServer, tmp_path: Path
) -> None:
    store.fail(status, path_suffix="file", times=9)
    with pytest.raises(DownloadFailed) as caught:
        get(store, tmp_path / "target")
    assert str(status) in caught.value.message
    assert hint in caught.value.hint
    assert len(store.requests) == 1


def test_a_certificate_of_an_unknown_ca_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = PrivateCa(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "file").write_bytes(DATA)
    with StoreServer(tmp_path / "store", tls=ca.server("127.0.0.1")) as store:
        with pytest.raises(DownloadFailed) as caught:
            get(store, tmp_path / "target")
        assert "does not believe the certificate of https://127.0.0.1" in caught.value.message
        assert "a private CA signed it" in caught.value.hint
        with pytest.raises(NotBelieved):
            MetadataFetcher().download_bytes(f"{store.url}/file", len(DATA))
        monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
        get(store, tmp_path / "target")
        assert MetadataFetcher().download_bytes(f"{store.url}/file", len(DATA)) == DATA


def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSES", (0.01,))
    with pytest.raises(DownloadFailed, match="could not be fetched in 2 tries"):
        download(Source("http://127.0.0.1:9/file", SHA256), tmp_path / "t", lambda _, __: None)


def test_an_address_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        download(Source("ftp://example.com/file", SHA256), tmp_path / "t", lambda _, __: None)
