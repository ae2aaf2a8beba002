"""Metadata in a bucket: conditions by ETag, as S3 has them."""

from dataclasses import replace

from tests.support.trusted import AGENT, NOW, listed, make_keys, publish_first, read_by_client
from toolkit.repository import Publisher, catalog_of, publish_targets, require
from toolkit.s3.store import S3Store
from toolkit.store import Store
from toolkit.store_config import S3Config


class Interrupted:
    """A store in which somebody else publishes just before the first timestamp goes up."""

    def __init__(self, store: Store, at: Publisher) -> None:
        self._store, self._at, self._done = store, at, False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def write(self, upload, sent) -> None:  # type: ignore[no-untyped-def]
        if upload.name == "metadata/timestamp.json" and not self._done:
            self._done = True
            publish_targets(self._store, self._at.signers, {AGENT: [listed("1.0.0")]}, NOW)
        self._store.write(upload, sent)


def test_two_publishers_on_a_bucket_lose_no_release(config: S3Config) -> None:
    keys = make_keys(AGENT)
    store = S3Store(config)
    at = publish_first(store, keys, AGENT)
    other = replace(at, store=Interrupted(store, at))  # type: ignore[arg-type]
    publish_targets(other.store, keys, {AGENT: [listed("2.0.0")]}, NOW)
    assert catalog_of(require(store, keys.root), AGENT).versions == ("1.0.0", "2.0.0")
    files = {}
    for name in store.names("metadata/"):
        with store.read(name) as stored:
            assert stored is not None
            files[name] = b"".join(stored.chunks)
    found = read_by_client(files, keys.root, f"{AGENT}-v2.0.0.tar.gz")
    assert found == [listed("2.0.0").target]
