"""Release metadata on a real S3 gateway: two publishers at once, and a real client over HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, gateway
from tests.support.trusted import (
    AGENT,
    NOW,
    Client,
    Keys,
    listed,
    make_keys,
    publish_first,
)
from toolkit import channels
from toolkit.errors import ConflictError
from toolkit.repository import Publisher, catalog_of, move, publish_targets, require
from toolkit.s3.store import S3Store
from toolkit.store_config import S3Config
from toolkit.uploads import of_bytes

pytestmark = pytest.mark.store


@pytest.fixture(scope="module")
def real_gateway() -> Iterator[Gateway]:
    with gateway() as running:
        yield running


@pytest.fixture
def config(real_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> S3Config:
    for name, value in real_gateway.environment.items():
        monkeypatch.setenv(name, value)
    bucket = real_gateway.create_bucket("metadata")
    return S3Config(type="s3", bucket=bucket, prefix="agents", endpoint=real_gateway.url)


def test_two_publishers_lose_nothing_and_a_host_reads_it(config: S3Config, tmp_path: Path) -> None:
    keys = make_keys(AGENT)
    publish_first(S3Store(config), keys, AGENT)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda major: _release_some(config, keys, major), (1, 2)))
    store = S3Store(config)
    names = tuple(f"{major}.{minor}" for major in (1, 2) for minor in range(3))
    assert catalog_of(require(store, keys.root), AGENT).versions == names
    at = Publisher(store, keys, NOW)
    move(at, AGENT, lambda one: channels.promote(one, "2.2", "stable", 10, NOW))
    store.write(of_bytes(f"{AGENT}-v2.2.tar.gz", b"tarball", immutable=True), lambda _: None)
    url = f"{config.endpoint}/{config.bucket}/{config.prefix}"
    host = Client(url, keys.root, tmp_path)
    target = host.find(f"{AGENT}-v2.2.tar.gz")
    assert target is not None
    assert target.channels["stable"].percent == 10
    assert host.fetch(f"{AGENT}-v2.2.tar.gz") == b"tarball"


def _release_some(config: S3Config, keys: Keys, major: int) -> None:
    store = S3Store(config)
    for minor in range(3):
        files = {AGENT: [listed(f"{major}.{minor}")]}
        while True:
            try:
                publish_targets(store, keys, files, NOW)
                break
            except ConflictError:  # the same command again, as the message says
                continue
