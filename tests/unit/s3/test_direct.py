"""The short way to a bucket: what goes by it, and what is left to botocore's client."""

from dataclasses import replace

import pytest

from tests.support.s3_wire import S3Wire
from toolkit.errors import CredentialsError, StoreError
from toolkit.s3.store import S3Store
from toolkit.store_config import S3Config
from toolkit.uploads import Unchanged, Upload, of_bytes

FILE = replace(of_bytes("a b.tar.gz", b"hello", immutable=True), only_if=None)
EXPECT = "expect"  # only the client sends this header


@pytest.fixture(autouse=True)
def session(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")


def opened(wire: S3Wire, **settings: str) -> S3Store:
    """Return a store whose bucket was seen to be there, and forget the requests for that."""
    config = {"type": "s3", "bucket": "agents-bucket", "endpoint": wire.url, "prefix": "agents"}
    store = S3Store(S3Config.model_validate({**config, **settings}))
    store.look("seen")
    wire.seen.clear()
    return store


def write(store: S3Store, upload: Upload = FILE) -> None:
    store.write(upload, lambda _: None)


def test_it_sends_what_the_client_sends(wire: S3Wire) -> None:
    fresh = S3Store(
        S3Config(
            type="s3",
            bucket="agents-bucket",
            endpoint=wire.url,
            prefix="agents",
            acl="public-read",
            region="auto",
        )
    )
    write(fresh)
    (long,) = wire.seen
    write(opened(wire, acl="public-read", region="auto"))
    (short,) = wire.seen
    spared = {EXPECT, "user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "authorization"}
    spared |= {"x-amz-date", "accept-encoding"}
    assert {k: v for k, v in short.headers.items() if k not in spared} == {
        k: v for k, v in long.headers.items() if k not in spared
    }
    assert short.path == "/agents-bucket/agents/a%20b.tar.gz"
    assert short.body == b"hello"
    assert short.headers["content-type"] == "application/gzip"
    assert short.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert short.headers["x-amz-meta-sha256"] == FILE.sha256
    assert short.headers["x-amz-acl"] == "public-read"
    assert short.headers["x-amz-content-sha256"] == FILE.sha256
    assert short.headers["x-amz-security-token"] == "token"
    assert "/auto/s3/aws4_request" in short.headers["authorization"]
    assert EXPECT not in short.headers
    assert not [name for name in short.headers if "checksum" in name or "trailer" in name]


def test_before_the_bucket_was_seen_the_client_does_it(wire: S3Wire) -> None:
    config = S3Config(type="s3", bucket="agents-bucket", endpoint=wire.url)
    write(S3Store(config))
    assert EXPECT in wire.seen[0].headers


def test_a_condition_goes_with_it(wire: S3Wire) -> None:
    store = S3Store(
        S3Config(type="s3", bucket="agents-bucket", endpoint=wire.url), allow_races=True
    )
    store.look("seen")
    write(store, replace(FILE, only_if=Unchanged('"e"')))
    assert wire.seen[-1].body == b"hello"
    assert store.look(FILE.name) is not None


def test_what_fails_is_tried_again_by_the_client_and_explained(wire: S3Wire) -> None:
    store = opened(wire)
    wire.fault = (503, "SlowDown")
    with pytest.raises(StoreError, match="could not write") as caught:
        write(store)
    assert "503 SlowDown" in caught.value.why
    assert [EXPECT in seen.headers for seen in wire.seen] == [False, *[True] * 4]
    wire.fault = None
    wire.seen.clear()
    write(store)
    assert EXPECT not in wire.seen[0].headers, "a fault that passes does not close the short way"


def test_a_refusal_closes_the_short_way(wire: S3Wire) -> None:
    store = opened(wire)
    wire.fault = (403, "AccessDenied")
    with pytest.raises(CredentialsError):
        write(store)
    wire.fault = None
    wire.seen.clear()
    write(store)
    assert EXPECT in wire.seen[0].headers


def test_a_success_that_carries_an_error_is_none(wire: S3Wire) -> None:
    store = opened(wire)
    wire.answer = "<Error><Code>InternalError</Code><Message>no</Message></Error>"
    with pytest.raises(StoreError, match="could not write") as caught:
        write(store)
    assert "InternalError" in caught.value.why


def test_a_missing_file_is_none(wire: S3Wire) -> None:
    store = opened(wire)
    wire.fault = (404, "NoSuchKey")
    assert store.look("gone") is None
    assert len(wire.seen) == 1
    with store.read("gone") as stored:
        assert stored is None


def test_an_answer_that_is_cut_off_is_a_fault(wire: S3Wire) -> None:
    store = opened(wire)
    wire.cut = b"x" * 100_000
    with store.read("a.tar.gz") as stored:
        assert stored is not None
        assert stored.size == 100_000
        with pytest.raises(StoreError, match="could not read"):
            list(stored.chunks)
    assert len(wire.seen) == 1
