from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from tests.support.s3_wire import S3Wire
from tests.support.serve import StoreServer
from toolkit.doctor import examine
from toolkit.findings import SCRATCH, Finding, Health
from toolkit.s3.checkup import S3Checkup
from toolkit.s3.store import S3Store
from toolkit.store import DirectoryStore, Store
from toolkit.store_config import DirectoryConfig, S3Config
from toolkit.uploads import of_bytes


def found(config: S3Config | DirectoryConfig, store: Store) -> dict[str, Finding]:
    return {finding.probe: finding for finding in examine(config, store)}


def test_a_bucket_that_does_all_is_found_good_and_left_empty(config: S3Config) -> None:
    findings = found(config, S3Store(config))
    assert {probe for probe, one in findings.items() if one.health is Health.BAD} == set()
    assert findings["If-None-Match on put"].result == "honoured"
    assert findings["If-None-Match on complete"].result == "honoured"
    assert findings["If-Match on put"].result == "honoured"
    assert findings["headers"].health is Health.GOOD
    assert findings["copy"].health is Health.GOOD
    assert findings["delete"].health is Health.GOOD
    assert findings["clock"].health is Health.GOOD
    assert findings["public address"].result == "none is set"
    client = boto3.client("s3", endpoint_url=config.endpoint, region_name="us-east-1")
    assert "Contents" not in client.list_objects_v2(Bucket=config.bucket)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=config.bucket)


def test_ctrl_c_leaves_nothing_behind(config: S3Config) -> None:
    findings = examine(config, S3Store(config))
    assert next(one for one in findings if one.probe == "headers")
    with pytest.raises(KeyboardInterrupt):
        findings.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    client = boto3.client("s3", endpoint_url=config.endpoint, region_name="us-east-1")
    assert "Contents" not in client.list_objects_v2(Bucket=config.bucket)


def test_a_store_that_ignores_conditions_is_bad(wire: S3Wire) -> None:
    config = S3Config(type="s3", bucket="agents-bucket", endpoint=wire.url)
    scratch = of_bytes("a", b"a", immutable=True)
    checkup = S3Checkup(config, scratch, lambda: datetime.now(UTC))
    for finding in (checkup.put_if_absent(), checkup.put_if_match(), checkup.complete_if_absent()):
        assert (finding.health, finding.result) == (Health.BAD, "ignored")
    assert "--allow-races" in checkup.put_if_absent().consequence


@pytest.mark.parametrize(
    ("status", "code", "probe"),
    [(403, "InvalidAccessKeyId", "credentials"), (404, "NoSuchBucket", "use")],
)
def test_where_nothing_works_it_stops_at_once(
    wire: S3Wire, status: int, code: str, probe: str
) -> None:
    wire.fault = (status, code)
    config = S3Config(type="s3", bucket="agents-bucket", endpoint=wire.url)
    findings = list(examine(config, S3Store(config)))
    assert [one.probe for one in findings] == [probe]
    assert code in findings[0].result
    assert findings[0].consequence


def test_a_wrong_clock_is_told(config: S3Config) -> None:
    scratch = of_bytes("a", b"a", immutable=True)
    for minutes, word in ((20, "ahead of"), (-20, "behind")):
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        checkup = S3Checkup(config, scratch, lambda now=now: now)  # type: ignore[misc]
        clock = {one.probe: one for one in checkup.first()}["clock"]
        assert clock.health is Health.NOTE
        assert word in clock.result


def test_what_killed_probes_left_is_swept_after_a_day(config: S3Config) -> None:
    client = boto3.client("s3", endpoint_url=config.endpoint, region_name="us-east-1")
    client.put_object(Bucket=config.bucket, Key=f"agents/{SCRATCH}old", Body=b"")
    client.create_multipart_upload(Bucket=config.bucket, Key=f"agents/{SCRATCH}old")
    client.create_multipart_upload(Bucket=config.bucket, Key="agents/beacon.tar.gz")
    scratch = of_bytes("a", b"a", immutable=True)
    now = datetime.now(UTC)
    # moto says of every open upload that it is years old; of files it says the truth.
    S3Checkup(config, scratch, lambda: now).leftovers()
    assert "Contents" in client.list_objects_v2(Bucket=config.bucket)
    later = now + timedelta(days=2)
    finding = S3Checkup(config, scratch, lambda: later).leftovers()
    assert finding.result == "1 are older than a day, such as agents/beacon.tar.gz"
    assert "Contents" not in client.list_objects_v2(Bucket=config.bucket)


def test_a_folder_that_is_served_is_good(tmp_path: Path) -> None:
    with StoreServer(tmp_path) as server:
        config = DirectoryConfig(type="directory", path=str(tmp_path), url=server.url)
        findings = found(config, DirectoryStore(tmp_path))
    assert {probe for probe, one in findings.items() if one.health is Health.BAD} == set()
    assert findings["only where absent"].result == "honoured"
    assert findings["public address"].result == "readable; Cache-Control is missing or changed"
    assert DirectoryStore(tmp_path).names() == frozenset()


def test_an_address_that_serves_something_else_is_told(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with StoreServer(other) as server:
        config = DirectoryConfig(type="directory", path=str(tmp_path), url=server.url)
        finding = found(config, DirectoryStore(tmp_path / "served"))["public address"]
    assert "answers 404" in finding.result
    config = DirectoryConfig(type="directory", path=str(tmp_path), url="http://127.0.0.1:9")
    finding = found(config, DirectoryStore(tmp_path / "served"))["public address"]
    assert finding.health is Health.BAD
