"""What a real gateway has to show of what was sent to it, and when it is read back all the same."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, gateway
from toolkit.errors import IntegrityError, StoreError
from toolkit.progress import Silent
from toolkit.s3.store import LARGE, S3Store
from toolkit.sending import send, send_all
from toolkit.store import Receipt, Sent, Stored
from toolkit.store_config import ReadBack, S3Config
from toolkit.uploads import Absent, Upload, of_bytes

pytestmark = pytest.mark.store


class Watched(S3Store):
    """Remembers what is read in full; `then` happens right after each write."""

    def __init__(self, config: S3Config, then: Callable[[Upload], None] | None = None) -> None:
        super().__init__(config)
        self.names()  # as publishing does first
        self.then = then
        self.was_read: list[str] = []

    @contextmanager
    def read(self, name: str) -> Iterator[Stored | None]:
        self.was_read.append(name)
        with super().read(name) as stored:
            yield stored

    def write(self, upload: Upload, sent: Sent) -> Receipt | None:
        receipt = super().write(upload, sent)
        if self.then:
            self.then(upload)
        return receipt


@pytest.fixture(scope="module")
def real_gateway() -> Iterator[Gateway]:
    with gateway() as running:
        yield running


@pytest.fixture(params=["http", "https"])
def config(
    real_gateway: Gateway, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> S3Config:
    for name, value in real_gateway.environment.items():
        monkeypatch.setenv(name, value)
    name = f"{request.param}-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    endpoint = real_gateway.url if request.param == "http" else real_gateway.https_url
    real_gateway.create_bucket(name)
    return S3Config(type="s3", bucket=name, prefix="agents", endpoint=endpoint)


def small(count: int) -> list[Upload]:
    return [of_bytes(f"{n}.tar.gz", os.urandom(100_000), immutable=True) for n in range(count)]


def large(folder: Path) -> Upload:
    data, path = os.urandom(LARGE + 5), folder / "large"
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return Upload("large.tar.gz", path, len(data), digest, immutable=True, only_if=Absent())


@pytest.mark.parametrize("read_back", ["checksum", "full"])
def test_nothing_is_read_that_the_store_can_show(
    config: S3Config, tmp_path: Path, read_back: ReadBack
) -> None:
    store = Watched(config.model_copy(update={"read_back": read_back}))
    uploads = [*small(20), large(tmp_path)]
    latest = replace(uploads[-1], name="latest", only_if=None, same_as="large.tar.gz")
    send_all(uploads, store, Silent())
    send(latest, store, Silent())
    every = [] if read_back == "checksum" else [one.name for one in (*uploads, latest)]
    assert sorted(store.was_read) == sorted(every)
    for one in (*uploads, latest):
        with store.read(one.name) as stored:
            assert stored is not None
            assert hashlib.sha256(b"".join(stored.chunks)).hexdigest() == one.sha256


@pytest.mark.parametrize("which", [0, 7, 20])
def test_other_bytes_are_found(
    config: S3Config, tmp_path: Path, which: int, real_gateway: Gateway
) -> None:
    """Of the same length, and with the SHA-256 of the right ones beside them."""
    uploads = [*small(20), large(tmp_path)]
    victim = uploads[which]

    def spoil(upload: Upload) -> None:
        if upload is victim:
            real_gateway.client().put_object(
                Bucket=config.bucket,
                Key=f"agents/{upload.name}",
                Body=os.urandom(upload.size),
                Metadata={"sha256": upload.sha256},
            )

    store = Watched(config, spoil)
    with pytest.raises(StoreError, match=f"{victim.name} does not hold what was sent"):
        send_all(uploads, store, Silent())
    assert store.was_read == [victim.name]


def test_a_file_that_changed_since_it_was_hashed_is_not_published(
    config: S3Config, tmp_path: Path, real_gateway: Gateway
) -> None:
    upload = large(tmp_path)
    with (tmp_path / "large").open("r+b") as file:
        file.seek(20_000_000)
        file.write(b"changed")
    store = Watched(config)
    with pytest.raises(IntegrityError, match=r"large\.tar\.gz changed while it was sent"):
        send(upload, store, Silent())
    assert store.look(upload.name) is None
    assert not real_gateway.client().list_multipart_uploads(Bucket=config.bucket).get("Uploads")
    assert not list(tmp_path.glob(".*.upload"))


def test_a_small_file_that_changed_since_it_was_hashed_is_not_published(config: S3Config) -> None:
    upload = replace(small(1)[0], body=os.urandom(100_000))
    store = Watched(config)
    with pytest.raises(IntegrityError, match=r"0\.tar\.gz changed while it was sent"):
        send(upload, store, Silent())
    assert store.look(upload.name) is None
