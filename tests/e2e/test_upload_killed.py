"""A publication that is killed before each of its requests in turn, against a real gateway.

Those that only ask are left out unless CRASH_POINTS=all: see `cutting_proxy`.
"""

import hashlib
import json
import os
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.test_upload import AGENT, environment
from tests.support.cutting_proxy import ALL, CuttingProxy, Passed, cutting_proxy
from tests.support.forked import ForkedToolkit, forked_toolkit
from tests.support.gateway import Gateway, gateway
from tests.support.tarballs import write_release
from toolkit.artifact import Artifact, checksum_file

pytestmark = pytest.mark.store

OLD = Artifact("beacon", "1.0.0", None)
NEW = Artifact("beacon", "1.1.0", None)
# Large enough for three parts; the rest of a publication is small.
LARGE = 34 * 1024 * 1024
MOST_REQUESTS = 100


@pytest.fixture(scope="module")
def real_gateway() -> Iterator[Gateway]:
    with gateway() as running:
        yield running


@pytest.fixture
def proxy(real_gateway: Gateway) -> Iterator[CuttingProxy]:
    with cutting_proxy(real_gateway.url) as running:
        yield running


@pytest.fixture
def toolkit(real_gateway: Gateway, tmp_path: Path) -> Iterator[ForkedToolkit]:
    variables = environment(real_gateway.environment)
    with forked_toolkit(variables, tmp_path / "log") as running:
        yield running


def write_project(folder: Path, artifact: Artifact, content: bytes) -> None:
    write_release(folder / "release/dist", artifact, content)
    agent = AGENT.replace("1.0.0", artifact.version)
    (folder / "release/beacon.toml").write_text(agent)


def use(folder: Path, url: str, prefix: str) -> None:
    settings = {"type": "s3", "bucket": "killed", "prefix": prefix, "endpoint": url}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (folder / "toolkit.toml").write_text("[stores.gateway]\n" + "\n".join(lines) + "\n")


def run(
    toolkit: ForkedToolkit,
    proxy: CuttingProxy,
    folder: Path,
    kill_at: int | None,
    words: Sequence[str] = ("upload", "beacon"),
) -> int:
    proxy.reset(kill_at)
    proxy.pid = toolkit.start(*words, "--project", str(folder))
    toolkit.go()
    return toolkit.wait()


def fetch(gateway: Gateway, prefix: str, name: str) -> bytes | None:
    """Fetch as a reader with no credentials."""
    try:
        url = f"{gateway.url}/killed/{prefix}/{name}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        if error.code == 403:  # who may not list the bucket is told this, not 404
            return None
        raise


def written(passed: list[Passed]) -> list[str]:
    """Give what was stored, parts too, but not the files by which a store is tried out or held."""
    return [
        one.path
        for one in passed
        if one.method == "PUT"
        and one.status == 200
        and "toolkit-probe/" not in one.path
        and ".toolkit/" not in one.path
    ]


def copy_all(gateway: Gateway, source: str, target: str) -> None:
    client = gateway.client()
    listed = client.list_objects_v2(Bucket="killed", Prefix=f"{source}/")["Contents"]
    for entry in listed:
        key = entry["Key"].replace(source, target, 1)
        client.copy_object(
            Bucket="killed", Key=key, CopySource={"Bucket": "killed", "Key": entry["Key"]}
        )


def test_killed_before_any_request_readers_see_a_whole_release_and_the_next_run_finishes(
    real_gateway: Gateway, proxy: CuttingProxy, toolkit: ForkedToolkit, tmp_path: Path
) -> None:
    real_gateway.create_bucket("killed")
    old, new = tmp_path / "old", tmp_path / "new"
    write_project(old, OLD, b"old\n")
    write_project(new, NEW, os.urandom(LARGE))
    use(old, proxy.url, "base")
    assert run(toolkit, proxy, old, None) == 0, (tmp_path / "log").read_text()
    kills = 0
    for kill_at in range(1, MOST_REQUESTS):
        prefix = f"run-{kill_at}"
        copy_all(real_gateway, "base", prefix)
        use(new, proxy.url, prefix)
        code = run(toolkit, proxy, new, kill_at)
        if code == 0:
            break
        assert code == -9, (tmp_path / "log").read_text()
        kills += 1
        see_whole_releases(real_gateway, prefix, old, new)
        before = written(proxy.passed)
        assert run(toolkit, proxy, new, None) == 0, (tmp_path / "log").read_text()
        sent = Counter(before + written(proxy.passed))
        assert set(sent.values()) <= {1}, f"sent again after a kill at {kill_at}: {sent}"
        see_the_new_release(real_gateway, prefix, new)
    assert code == 0
    assert kills > (20 if ALL else 5)
    opened = real_gateway.client().list_multipart_uploads(Bucket="killed").get("Uploads", [])
    assert [one["Key"] for one in opened if "toolkit-probe/" not in one["Key"]] == []


def see_whole_releases(gateway: Gateway, prefix: str, old: Path, new: Path) -> None:
    """The old release is there as it was; each name of the new one is absent or whole."""
    for name in (OLD.tarball, checksum_file(OLD.tarball)):
        assert fetch(gateway, prefix, name) == (old / "release/dist" / name).read_bytes()
    for name in (NEW.tarball, checksum_file(NEW.tarball)):
        assert fetch(gateway, prefix, name) in (None, (new / "release/dist" / name).read_bytes())
    for name in (OLD.latest, checksum_file(OLD.latest)):
        either = [(folder / "release/dist" / name).read_bytes() for folder in (old, new)]
        assert fetch(gateway, prefix, name) in either


def see_the_new_release(gateway: Gateway, prefix: str, new: Path) -> None:
    for name in (NEW.tarball, NEW.latest):
        data = fetch(gateway, prefix, name)
        assert data is not None
        sha256 = (fetch(gateway, prefix, checksum_file(name)) or b"").split()[0].decode()
        assert hashlib.sha256(data).hexdigest() == sha256
