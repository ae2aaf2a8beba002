import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from tests.support.s3_wire import S3Wire
from toolkit.errors import ConflictError, CredentialsError, StoreError
from toolkit.s3 import copying
from toolkit.s3.store import S3Store
from toolkit.store_config import S3Config
from toolkit.uploads import Absent, Unchanged, Upload, of_bytes

MIB = 1024 * 1024
SMALL = of_bytes("a.tar.gz", b"hello", immutable=True)
# Without a precondition, so that the store is not tried out first.
PLAIN = replace(SMALL, only_if=None)


def large(tmp_path: Path) -> Upload:
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(70 * MIB)
    with source.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Upload("large.tar.gz", source, 70 * MIB, sha256, immutable=True, only_if=Absent())


def at(url: str, **settings: object) -> S3Store:
    config = {"type": "s3", "bucket": "agents-bucket", "endpoint": url, **settings}
    return S3Store(S3Config.model_validate(config))


def test_a_file_comes_back_as_it_was_sent(config: S3Config) -> None:
    store = S3Store(config)
    sent: list[int] = []
    store.write(SMALL, sent.append)
    assert sum(sent) == 5
    with store.read("a.tar.gz") as stored:
        assert stored is not None
        assert stored.size == 5
        assert b"".join(stored.chunks) == b"hello"
    assert store.locate("a.tar.gz") == f"s3://{config.bucket}/agents/a.tar.gz"


def test_headers_and_the_hash_stand_with_the_object(config: S3Config) -> None:
    S3Store(config).write(SMALL, lambda _: None)
    client = boto3.client("s3", endpoint_url=config.endpoint, region_name="us-east-1")
    head = client.head_object(Bucket=config.bucket, Key="agents/a.tar.gz")
    assert head["ContentType"] == "application/gzip"
    assert head["CacheControl"] == "public, max-age=31536000, immutable"
    assert head["Metadata"] == {"sha256": SMALL.sha256}
    assert "ContentEncoding" not in head


def test_a_missing_file_is_none_and_a_missing_bucket_a_fault(config: S3Config) -> None:
    with S3Store(config).read("none.tar.gz") as stored:
        assert stored is None
    elsewhere = config.model_copy(update={"bucket": "no-such-bucket"})
    with pytest.raises(StoreError, match="could not read s3://no-such-bucket") as caught:
        S3Store(elsewhere).read("a.tar.gz").__enter__()
    assert "there is no bucket of this name" in caught.value.why
    assert "create the bucket" in caught.value.hint


def test_a_large_file_goes_in_parts(config: S3Config, tmp_path: Path) -> None:
    store = S3Store(config)
    upload = large(tmp_path)
    sent: list[int] = []
    store.write(upload, sent.append)
    assert sum(sent) == upload.size
    with store.read(upload.name) as stored:
        assert stored is not None
        digest = hashlib.sha256()
        for chunk in stored.chunks:
            assert len(chunk) <= MIB
            digest.update(chunk)
    assert digest.hexdigest() == upload.sha256


def test_no_checksums_are_added_and_no_acl(wire: S3Wire, tmp_path: Path) -> None:
    store = at(wire.url)
    store.write(PLAIN, lambda _: None)
    store.write(replace(large(tmp_path), only_if=None), lambda _: None)
    assert [seen.method for seen in wire.seen].count("PUT") == 6
    for seen in wire.seen:
        names = " ".join(seen.headers)
        assert "x-amz-checksum" not in names
        assert "x-amz-sdk-checksum" not in names
        assert "x-amz-trailer" not in names
        assert "x-amz-acl" not in names
        assert "aws-chunked" not in seen.headers.get("content-encoding", "")
    parts = [len(seen.body) for seen in wire.seen if "partNumber" in seen.path]
    assert sorted(parts) == [6 * MIB, *[16 * MIB] * 4]


def test_an_acl_is_sent_where_it_is_wanted(wire: S3Wire) -> None:
    at(wire.url, acl="public-read").write(PLAIN, lambda _: None)
    assert wire.seen[0].headers["x-amz-acl"] == "public-read"


def test_an_endpoint_gets_the_bucket_in_the_path(wire: S3Wire) -> None:
    at(wire.url, prefix="agents").write(PLAIN, lambda _: None)
    assert wire.seen[0].path == "/agents-bucket/agents/a.tar.gz"


def test_a_store_that_ignores_conditions_is_found_out(wire: S3Wire) -> None:
    with pytest.raises(StoreError, match="does not honour conditional writes") as caught:
        at(wire.url).write(SMALL, lambda _: None)
    assert "--allow-races" in caught.value.hint
    paths = {seen.path.rsplit("/", 1)[0] for seen in wire.seen}
    assert paths == {"/agents-bucket/toolkit-probe"}
    assert wire.seen[-1].method == "DELETE"


def test_a_store_that_ignores_conditions_gets_no_large_file_in_vain(
    wire: S3Wire, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="does not honour conditional writes"):
        at(wire.url).write(large(tmp_path), lambda _: None)
    assert not [seen for seen in wire.seen if "large.tar.gz" in seen.path]


def test_with_races_allowed_it_looks_before_it_writes(wire: S3Wire) -> None:
    store = S3Store(
        S3Config(type="s3", bucket="agents-bucket", endpoint=wire.url), allow_races=True
    )
    with pytest.raises(ConflictError):  # the wire has every file that it is asked for
        store.write(SMALL, lambda _: None)
    assert not [seen for seen in wire.seen if seen.path.endswith("a.tar.gz") and seen.body]
    store.write(replace(SMALL, only_if=Unchanged('"e"')), lambda _: None)
    assert wire.seen[-1].body == b"hello"


@pytest.mark.parametrize(
    ("status", "code", "kind", "word"),
    [
        (403, "InvalidAccessKeyId", CredentialsError, "AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", CredentialsError, "AWS_SECRET_ACCESS_KEY"),
        (403, "AccessDenied", CredentialsError, "s3:PutObject"),
        (401, "Unauthorized", CredentialsError, "AWS_ACCESS_KEY_ID"),
        (400, "ExpiredToken", CredentialsError, "log in again"),
        (403, "RequestTimeTooSkewed", StoreError, "clock"),
        (400, "AuthorizationHeaderMalformed", StoreError, "region"),
        (400, "AccessControlListNotSupported", StoreError, "take `acl` out"),
        (403, "QuotaExceeded", StoreError, "make room"),
        (404, "NoSuchBucket", StoreError, "create the bucket"),
        (507, "XMinioStorageFull", StoreError, "make room"),
        (418, "Teapot", StoreError, "look at what it says"),
    ],
)
def test_each_fault_is_explained(
    wire: S3Wire, status: int, code: str, kind: type[StoreError], word: str
) -> None:
    wire.fault = (status, code)
    with pytest.raises(kind) as caught:
        at(wire.url).write(PLAIN, lambda _: None)
    error = caught.value
    assert type(error) is kind
    assert error.message == "could not write s3://agents-bucket/a.tar.gz"
    assert code in error.why
    assert word in error.hint
    assert "hunter2" not in f"{error.message}{error.why}{error.hint}{error.__cause__}"


def test_a_fault_of_a_file_is_explained_like_one_of_bytes(wire: S3Wire, tmp_path: Path) -> None:
    wire.fault = (403, "InvalidAccessKeyId")
    with pytest.raises(CredentialsError, match="could not write"):
        at(wire.url).write(replace(large(tmp_path), only_if=None), lambda _: None)


def test_a_store_that_fails_is_tried_again_and_then_given_up(wire: S3Wire) -> None:
    wire.fault = (503, "SlowDown")
    with pytest.raises(StoreError, match="could not read") as caught:
        at(wire.url).read("a.tar.gz").__enter__()
    assert len(wire.seen) == 4
    assert "503 SlowDown" in caught.value.why
    assert "run the same command again" in caught.value.hint


def test_an_answer_that_is_cut_off_is_a_fault(wire: S3Wire) -> None:
    wire.cut = b"x" * 100_000
    with at(wire.url).read("a.tar.gz") as stored:
        assert stored is not None
        assert stored.size == 100_000
        with pytest.raises(StoreError, match="could not read"):
            list(stored.chunks)


def test_a_store_that_can_not_be_reached_is_a_fault() -> None:
    with pytest.raises(StoreError, match="could not read") as caught:
        at("http://127.0.0.1:9").read("a.tar.gz").__enter__()
    assert "http://127.0.0.1:9" in caught.value.why
    assert "endpoint" in caught.value.hint


def test_missing_credentials_are_said(wire: S3Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError) as caught:
        at(wire.url).read("a.tar.gz").__enter__()
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    assert wire.seen == []


def test_an_unknown_profile_is_said(wire: S3Wire) -> None:
    with pytest.raises(CredentialsError, match="could not open") as caught:
        at(wire.url, profile="nobody")
    assert "nobody" in caught.value.why


def test_help_does_not_wait_for_botocore() -> None:
    code = "import sys, toolkit.cli.upload; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_preconditions_hold_or_nothing_is_written(config: S3Config) -> None:
    store = S3Store(config)
    store.write(replace(SMALL, only_if=Absent()), lambda _: None)
    other = of_bytes(SMALL.name, b"other", immutable=True)
    with pytest.raises(ConflictError, match="was there already"):
        store.write(replace(other, only_if=Absent()), lambda _: None)
    with store.read(SMALL.name) as stored:
        assert stored is not None
        seen = stored.etag
    store.write(replace(other, only_if=Unchanged(seen)), lambda _: None)
    with pytest.raises(ConflictError, match="not the one that was read before"):
        store.write(replace(SMALL, only_if=Unchanged(seen)), lambda _: None)
    with store.read(SMALL.name) as stored:
        assert stored is not None
        assert b"".join(stored.chunks) == b"other"


def test_files_are_listed_and_removed(config: S3Config) -> None:
    store = S3Store(config)
    for name in ("metadata/1.root.json", "a.tar.gz", ".toolkit/a"):
        store.write(of_bytes(name, b"x", immutable=True), lambda _: None)
    assert store.names() == {"metadata/1.root.json", "a.tar.gz"}
    assert store.names("metadata/") == {"metadata/1.root.json"}
    store.delete("a.tar.gz")
    store.delete("a.tar.gz")
    assert store.names("a") == frozenset()


class Killed(BaseException):
    """Stands for a kill: no handler of errors sees it."""


def test_killed_between_parts_it_sends_only_the_missing_ones(
    config: S3Config, tmp_path: Path
) -> None:
    upload = large(tmp_path)
    sent: list[int] = []

    def kill(amount: int) -> None:
        sent.append(amount)
        if sum(sent) >= 32 * MIB:
            raise Killed

    with pytest.raises(Killed):
        S3Store(config).write(upload, kill)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".upload")]
    again: list[int] = []
    S3Store(config).write(upload, again.append)
    assert again[0] >= 32 * MIB, "what had arrived is not sent again"
    assert sum(again) == upload.size
    assert [path.name for path in tmp_path.iterdir()] == ["large"]
    assert open_uploads(config) == []
    there = S3Store(config).look(upload.name)
    assert there is not None
    assert (there.size, there.sha256) == (upload.size, upload.sha256)


def test_a_part_that_is_not_as_it_should_be_is_sent_again(config: S3Config, tmp_path: Path) -> None:
    upload = large(tmp_path)

    def kill(amount: int) -> None:
        if amount:
            raise Killed

    with pytest.raises(Killed):
        S3Store(config).write(upload, kill)
    client = boto3.client("s3", endpoint_url=config.endpoint, region_name="us-east-1")
    (opened,) = open_uploads(config)
    for number in range(1, 6):
        client.upload_part(
            Bucket=config.bucket,
            Key="agents/large.tar.gz",
            UploadId=opened,
            PartNumber=number,
            Body=b"x" * (16 * MIB if number < 5 else 6 * MIB),
        )
    again: list[int] = []
    S3Store(config).write(upload, again.append)
    assert again[0] == 0
    with S3Store(config).read(upload.name) as stored:
        assert stored is not None
        digest = hashlib.sha256()
        for chunk in stored.chunks:
            digest.update(chunk)
    assert digest.hexdigest() == upload.sha256


def test_other_bytes_do_not_go_on_where_a_killed_run_stopped(
    config: S3Config, tmp_path: Path
) -> None:
    def kill(amount: int) -> None:
        if amount:
            raise Killed

    with pytest.raises(Killed):
        S3Store(config).write(large(tmp_path), kill)
    before = open_uploads(config)
    (tmp_path / "large").write_bytes(b"y" * 40 * MIB)
    with (tmp_path / "large").open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    other = replace(large(tmp_path), size=40 * MIB, sha256=sha256)
    (tmp_path / "large").write_bytes(b"y" * 40 * MIB)
    again: list[int] = []
    S3Store(config).write(other, again.append)
    assert again[0] == 0
    assert len(before) == 1
    assert open_uploads(config) == []


def test_a_large_file_that_lost_the_race_leaves_nothing_behind(
    config: S3Config, tmp_path: Path
) -> None:
    upload = large(tmp_path)
    first = of_bytes(upload.name, b"first", immutable=True)
    S3Store(config).write(first, lambda _: None)
    with pytest.raises(ConflictError, match="was there already"):
        S3Store(config).write(upload, lambda _: None)
    there = S3Store(config).look(upload.name)
    assert there is not None
    assert there.sha256 == first.sha256
    assert open_uploads(config) == []


def test_the_same_bytes_by_two_publishers_are_no_conflict(config: S3Config, tmp_path: Path) -> None:
    for _ in range(2):
        S3Store(config).write(SMALL, lambda _: None)
        S3Store(config).write(large(tmp_path), lambda _: None)
    assert open_uploads(config) == []


def open_uploads(config: S3Config) -> list[str]:
    client = boto3.client("s3", endpoint_url=config.endpoint, region_name="us-east-1")
    listed = client.list_multipart_uploads(Bucket=config.bucket).get("Uploads", [])
    return [one["UploadId"] for one in listed]


@pytest.mark.parametrize("limit", [5 * 1024 * MIB, 20 * MIB])
def test_a_second_name_is_a_copy_with_headers_of_its_own(
    config: S3Config, tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "LIMIT", limit)
    monkeypatch.setattr(copying, "PART", 32 * MIB)
    store = S3Store(config)
    upload = large(tmp_path)
    store.write(upload, lambda _: None)
    (tmp_path / "large").unlink()  # so that it can not be sent again
    latest = replace(
        upload, name="latest.tar.gz", immutable=False, only_if=None, same_as=upload.name
    )
    store.write(latest, lambda _: None)
    client = boto3.client("s3", endpoint_url=config.endpoint, region_name="us-east-1")
    head = client.head_object(Bucket=config.bucket, Key="agents/latest.tar.gz")
    assert head["ContentLength"] == upload.size
    assert head["CacheControl"] == "no-cache"
    assert head["ContentType"] == "application/gzip"
    assert head["Metadata"] == {"sha256": upload.sha256}


def test_what_is_not_there_is_sent_and_not_copied(config: S3Config) -> None:
    store = S3Store(config)
    store.write(replace(PLAIN, same_as="gone.tar.gz"), lambda _: None)
    assert store.look("a.tar.gz") is not None


def test_a_success_that_carries_an_error_is_none(wire: S3Wire, tmp_path: Path) -> None:
    wire.embedded = "InternalError"
    with pytest.raises(StoreError, match="could not write") as caught:
        at(wire.url).write(replace(large(tmp_path), only_if=None), lambda _: None)
    assert "InternalError" in caught.value.why
    completed = [seen for seen in wire.seen if "uploadId" in seen.path and seen.method == "POST"]
    assert len(completed) == 4


def test_a_store_that_compares_no_sha256_gives_no_proof(config: S3Config) -> None:
    """As the server of these tests: what it is sent has to be read back."""
    store = S3Store(config)
    store.names()
    receipt = store.write(of_bytes("a.tar.gz", b"hello", immutable=True), lambda _: None)
    assert receipt is not None
    assert receipt.shown([receipt]) == frozenset()
