"""Uploads to a real S3 gateway, with and without TLS, and fetches as a host would."""

import dataclasses
import hashlib
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import Gateway, gateway
from tests.support.need import need
from tests.support.podman import may_be_root, run_as_root
from tests.support.tarballs import write_release
from toolkit.artifact import Artifact
from toolkit.errors import ConflictError
from toolkit.host.errors import DownloadFailed
from toolkit.host.fetch import download
from toolkit.host.locate import parse_addresses, pinned
from toolkit.s3.store import S3Store
from toolkit.store_config import S3Config
from toolkit.stores import presigned
from toolkit.uploads import Absent, Unchanged, Upload, of_bytes

pytestmark = pytest.mark.store

AGENT = """\
name = "beacon"
title = "A beacon"
source = "beacon"
version = "1.0.0"

[runtime]
kind = "none"

[service]
exec = ["{current}/beacon"]
"""
BEACON = Artifact("beacon", "1.0.0", None)


@dataclass(frozen=True)
class Bucket:
    """A bucket of the gateway; `endpoint` is with or without TLS."""

    gateway: Gateway
    name: str
    endpoint: str

    def fetch(self, key: str) -> tuple[bytes, Mapping[str, str]]:
        """Fetch a file with no credentials; return it and its headers."""
        trust = ssl.create_default_context(cafile=str(self.gateway.ca_file))
        url = f"{self.endpoint}/{self.name}/{key}"
        with urllib.request.urlopen(url, timeout=30, context=trust) as answer:
            return answer.read(), answer.headers


@pytest.fixture(scope="module")
def real_gateway() -> Iterator[Gateway]:
    with gateway() as running:
        yield running


@pytest.fixture(params=["http", "https"])
def bucket(real_gateway: Gateway, request: pytest.FixtureRequest) -> Bucket:
    name = f"{request.param}-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    endpoint = real_gateway.url if request.param == "http" else real_gateway.https_url
    return Bucket(real_gateway, real_gateway.create_bucket(name), endpoint)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_release(tmp_path / "release/dist", BEACON)
    (tmp_path / "release/beacon.toml").write_text(AGENT)
    return tmp_path


def use(project: Path, bucket: Bucket, **settings: str) -> None:
    """Write a toolkit.toml that names the bucket."""
    settings = {
        "type": "s3",
        "bucket": bucket.name,
        "prefix": "agents",
        "endpoint": bucket.endpoint,
        "url": f"{bucket.endpoint}/{bucket.name}",
        **settings,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (project / "toolkit.toml").write_text("[stores.gateway]\n" + "\n".join(lines) + "\n")


def upload(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `toolkit upload beacon`."""
    return subprocess.run(
        argv(project, *words),
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def argv(project: Path, *words: str) -> list[str]:
    command = [sys.executable, "-m", "toolkit", "upload", "beacon", "--project", str(project)]
    return [*command, *words]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return `variables` in place of what this machine has set for stores."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDN_"))
    }
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    return {**kept, **files, "AWS_EC2_METADATA_DISABLED": "true", **variables}


def published(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return {file["name"]: file for file in json.loads(done.stdout)["files"]}


def test_what_was_uploaded_can_be_fetched_by_anybody(project: Path, bucket: Bucket) -> None:
    use(project, bucket)
    files = published(upload(project, "--json", **bucket.gateway.environment))
    assert len(files) == 5
    for file in files.values():
        assert file["action"] == "sent"
        assert file["url"] == f"{bucket.endpoint}/{bucket.name}/{file['key']}"
        data, headers = bucket.fetch(file["key"])
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        assert headers["Content-Type"] == file["content_type"]
        assert headers["Cache-Control"] == file["cache_control"]
        assert headers["x-amz-meta-sha256"] == file["sha256"]
        assert headers["Content-Encoding"] is None
    line, _ = bucket.fetch(f"agents/{BEACON.tarball}.sha256")
    assert line == (project / f"release/dist/{BEACON.tarball}.sha256").read_bytes()


def test_a_second_run_sends_nothing(project: Path, bucket: Bucket) -> None:
    use(project, bucket)
    published(upload(project, "--json", **bucket.gateway.environment))
    _, before = bucket.fetch(f"agents/{BEACON.latest}")
    files = published(upload(project, "--json", **bucket.gateway.environment))
    assert {file["action"] for file in files.values()} == {"unchanged"}
    _, after = bucket.fetch(f"agents/{BEACON.latest}")
    assert after["Last-Modified"] == before["Last-Modified"]


def test_the_documents_variables_do_the_same(project: Path, bucket: Bucket) -> None:
    done = upload(
        project,
        "--json",
        **bucket.gateway.environment,
        CDN_TYPE="s3",
        CDN_BUCKET=bucket.name,
        CDN_PATH="agents",
        CDN_ENDPOINT=bucket.endpoint,
        CDN_REGION="us-east-1",
    )
    file = published(done)[BEACON.latest]
    assert file["location"] == f"s3://{bucket.name}/agents/{BEACON.latest}"
    data, _ = bucket.fetch(file["key"])
    assert hashlib.sha256(data).hexdigest() == file["sha256"]


def test_a_large_tarball_goes_in_parts(project: Path, bucket: Bucket) -> None:
    sha256 = write_release(project / "release/dist", BEACON, os.urandom(70_000_000))
    use(project, bucket)
    published(upload(project, "--json", **bucket.gateway.environment))
    data, headers = bucket.fetch(f"agents/{BEACON.tarball}")
    assert hashlib.sha256(data).hexdigest() == sha256
    assert headers["ETag"].rstrip('"').endswith("-5")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_killed_in_the_middle_a_second_run_finishes(project: Path, bucket: Bucket) -> None:
    sha256 = write_release(project / "release/dist", BEACON, os.urandom(70_000_000))
    use(project, bucket)
    with subprocess.Popen(
        argv(project),
        env=environment(bucket.gateway.environment),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any(f"sending {BEACON.tarball} " in line for line in process.stderr)
        process.kill()
    # A stranger who may not list the bucket is told 403, not 404.
    with pytest.raises(urllib.error.HTTPError, match="403"):
        bucket.fetch(f"agents/{BEACON.tarball}")
    files = published(upload(project, "--json", **bucket.gateway.environment))
    assert [file["action"] for file in files.values()] == ["unchanged", *["sent"] * 4]
    assert hashlib.sha256(bucket.fetch(f"agents/{BEACON.tarball}")[0]).hexdigest() == sha256


def test_a_version_is_never_replaced(project: Path, bucket: Bucket) -> None:
    use(project, bucket)
    published(upload(project, "--json", **bucket.gateway.environment))
    before, _ = bucket.fetch(f"agents/{BEACON.tarball}")
    write_release(project / "release/dist", BEACON, b"other\n")
    done = upload(project, **bucket.gateway.environment)
    assert done.returncode == 7
    assert "is there already, with other bytes" in done.stderr
    assert bucket.fetch(f"agents/{BEACON.tarball}")[0] == before


def test_a_wrong_key_is_refused(project: Path, bucket: Bucket) -> None:
    use(project, bucket)
    right = bucket.gateway.environment
    for wrong, why in (
        ({"AWS_ACCESS_KEY_ID": "AKNOBODY"}, "does not know the access key"),
        ({"AWS_SECRET_ACCESS_KEY": "hunter2"}, "does not belong to the access key"),
    ):
        done = upload(project, **{**right, **wrong})
        assert done.returncode == 8, done.stderr
        assert why in done.stderr
        assert "hunter2" not in done.stderr


def test_no_credentials_at_all_are_said(project: Path, bucket: Bucket) -> None:
    use(project, bucket)
    done = upload(project, AWS_CA_BUNDLE=str(bucket.gateway.ca_file))
    assert done.returncode == 8, done.stderr
    assert "Unable to locate credentials" in done.stderr
    assert "AWS_ACCESS_KEY_ID" in done.stderr


def test_a_missing_bucket_is_said(project: Path, bucket: Bucket) -> None:
    use(project, dataclasses.replace(bucket, name="no-such-bucket"))
    done = upload(project, **bucket.gateway.environment)
    assert done.returncode == 7, done.stderr
    assert "there is no bucket of this name" in done.stderr


def test_a_certificate_that_nobody_trusts_is_said(project: Path, real_gateway: Gateway) -> None:
    use(project, Bucket(real_gateway, "agents", real_gateway.https_url))
    keys = dict(real_gateway.environment)
    del keys["AWS_CA_BUNDLE"]
    done = upload(project, **keys)
    assert done.returncode == 7, done.stderr
    assert "certificate is not trusted" in done.stderr
    assert "AWS_CA_BUNDLE" in done.stderr


def test_the_doctor_finds_out_what_this_gateway_does(project: Path, bucket: Bucket) -> None:
    use(project, bucket)
    command = [sys.executable, "-m", "toolkit", "doctor", "--project", str(project), "--json"]
    done = subprocess.run(
        command,
        env=environment(bucket.gateway.environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Nobody but this test trusts the certificate, and hosts would not either.
    assert done.returncode == (7 if bucket.endpoint.startswith("https") else 0), done.stderr
    probes = {row["probe"]: row for row in json.loads(done.stdout)["probes"]}
    assert probes["If-None-Match on put"]["result"] == "honoured"
    assert probes["public address"]["health"] == (
        "bad" if bucket.endpoint.startswith("https") else "ok"
    )
    # What differs from one version of the gateway to the next is said, whatever it is.
    for probe in ("If-None-Match on complete", "If-Match on put", "checksum trailers"):
        assert probes[probe]["consequence"]
    client = bucket.gateway.client()
    assert "Contents" not in client.list_objects_v2(Bucket=bucket.name)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket.name)


def in_process(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Callable[[], S3Store]:
    """Return what opens the bucket anew, as another publisher would."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment(bucket.gateway.environment).items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return lambda: S3Store(S3Config(type="s3", bucket=bucket.name, endpoint=bucket.endpoint))


def test_two_publishers_at_once_lose_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_anew = in_process(bucket, monkeypatch)
    open_anew().write(of_bytes("list", b"", immutable=True), lambda _: None)
    conflicts: list[str] = []

    def append(letter: bytes) -> None:
        store = open_anew()
        while True:
            with store.read("list") as stored:
                assert stored is not None
                data = b"".join(stored.chunks) + letter
            only_if = Unchanged(stored.etag)
            longer = dataclasses.replace(of_bytes("list", data, immutable=False), only_if=only_if)
            try:
                store.write(longer, lambda _: None)
            except ConflictError as error:
                conflicts.append(error.message)
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, [bytes([letter]) for letter in b"abcdefgh"]))
    with open_anew().read("list") as stored:
        assert stored is not None
        assert sorted(b"".join(stored.chunks)) == list(b"abcdefgh")


def test_of_two_publishers_of_other_bytes_one_wins(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_anew = in_process(bucket, monkeypatch)
    uploads = []
    for number in range(3):
        data = os.urandom(1024) * (40 * 1024)
        (tmp_path / str(number)).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        body = tmp_path / str(number)
        uploads.append(Upload("a.tar.gz", body, len(data), sha256, True, Absent()))

    def publish(upload: Upload) -> bool:
        try:
            open_anew().write(upload, lambda _: None)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        won = list(pool.map(publish, uploads))
    assert won.count(True) == 1
    stored = bucket.gateway.client().get_object(Bucket=bucket.name, Key="a.tar.gz")
    assert hashlib.sha256(stored["Body"].read()).hexdigest() == uploads[won.index(True)].sha256
    client = bucket.gateway.client()
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket.name)
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket.name)["Contents"]]
    assert keys == ["a.tar.gz"], "no mark is left"


def test_a_signed_address_opens_a_private_store(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_anew = in_process(bucket, monkeypatch)
    bucket.gateway.client().delete_bucket_policy(Bucket=bucket.name)
    open_anew().write(of_bytes("a b.txt", b"private", immutable=True), lambda _: None)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        bucket.fetch("a%20b.txt")
    config = S3Config(type="s3", bucket=bucket.name, endpoint=bucket.endpoint)
    url = presigned(config, ["a b.txt"], 60)["a b.txt"]
    key = url.removeprefix(f"{bucket.endpoint}/{bucket.name}/")
    assert bucket.fetch(key)[0] == b"private"


def test_agentctl_fetches_by_a_signed_address_until_it_ends(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_anew = in_process(bucket, monkeypatch)
    bucket.gateway.client().delete_bucket_policy(Bucket=bucket.name)
    data = b"private" * 100
    open_anew().write(of_bytes("a.tar.gz", data, immutable=True), lambda _: None)
    config = S3Config(type="s3", bucket=bucket.name, endpoint=bucket.endpoint)
    monkeypatch.setenv("SSL_CERT_FILE", os.environ.get("AWS_CA_BUNDLE", ""))
    url = presigned(config, ["a.tar.gz"], 4)["a.tar.gz"]
    rows = [["any", "a.tar.gz", hashlib.sha256(data).hexdigest()]]
    addresses = parse_addresses(f"a.tar.gz {url}\0".encode())
    source = pinned(rows, bucket.endpoint, "1", addresses).source
    target = tmp_path / "target"
    target.write_bytes(data[:100])  # of a run that was killed: the rest comes by a range
    download(source, target, lambda _, __: None)
    assert target.read_bytes() == data
    time.sleep(5)
    with pytest.raises(DownloadFailed) as caught:
        download(source, tmp_path / "late", lambda _, __: None)
    assert "may have run out" in caught.value.hint
    assert "Signature" not in caught.value.message


def test_a_large_file_needs_little_memory(bucket: Bucket, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    code = (
        "import hashlib, sys; from pathlib import Path\n"
        "from toolkit.s3.store import S3Store; from toolkit.store_config import S3Config\n"
        "from toolkit.uploads import Absent, Upload\n"
        "path = Path(sys.argv[3]); size = path.stat().st_size\n"
        "digest = hashlib.file_digest(path.open('rb'), 'sha256').hexdigest()\n"
        "store = S3Store(S3Config(type='s3', bucket=sys.argv[2], endpoint=sys.argv[1]))\n"
        "store.write(Upload('a', path, size, digest, True, Absent()), lambda _: None)\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, bucket.endpoint, bucket.name, str(tmp_path / "large")],
        env=environment(bucket.gateway.environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 < 200_000_000


def test_a_full_disk_leaves_the_store_as_it_was(project: Path) -> None:
    need(may_be_root(), "a small disk needs root, or sudo without a password")
    write_release(project / "release/dist", BEACON, os.urandom(3_000_000))
    disk = project / "disk"
    disk.mkdir()
    (project / "toolkit.toml").write_text('[stores.disk]\ntype = "directory"\npath = "disk"\n')
    run_as_root(["mount", "-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs", str(disk)])
    try:
        done = upload(project)
        assert done.returncode == 7, done.stderr
        assert "No space left on device" in done.stderr
        assert "free some room" in done.stderr
        assert all(path.name.startswith("agentctl-") for path in disk.iterdir())
    finally:
        run_as_root(["umount", str(disk)])
