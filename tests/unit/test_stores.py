from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from toolkit.errors import ConfigError
from toolkit.store import DirectoryStore
from toolkit.store_config import S3Config
from toolkit.stores import open_store, presigned, public_url, select
from toolkit.uploads import of_bytes

FILE = """
[stores.local]
type = "directory"
path = "served"
prefix = "agents"
url = "http://127.0.0.1:8000"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "toolkit.toml").write_text(FILE)
    return tmp_path


def test_a_folder_counts_from_the_project(project: Path) -> None:
    store = open_store(select(None, project, {}).config, project)
    store.write(of_bytes("a.txt", b"a", immutable=True), lambda _: None)
    assert (project / "served/agents/a.txt").read_bytes() == b"a"


def test_a_custom_store_can_not_be_opened(tmp_path: Path) -> None:
    config = select(None, tmp_path, {"CDN_TYPE": "custom"}).config
    with pytest.raises(ConfigError, match="filled by hand"):
        open_store(config, tmp_path)


def test_the_public_url_has_the_prefix(project: Path) -> None:
    assert public_url(None, project, {}) == "http://127.0.0.1:8000/agents"
    assert public_url("local", project, {}) == "http://127.0.0.1:8000/agents"


def test_a_url_stands_for_itself(project: Path) -> None:
    assert public_url("https://cdn.example.com/x/", project, {}) == "https://cdn.example.com/x"


def test_a_store_without_a_public_address_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no public address") as caught:
        public_url(None, tmp_path, {"CDN_TYPE": "s3", "CDN_BUCKET": "agents"})
    assert "CDN_BASE_URL" in caught.value.hint


def test_an_unreadable_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "toolkit.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="could not read"):
        select(None, tmp_path, {})


def test_both_kinds_of_folder_agree(project: Path) -> None:
    assert isinstance(open_store(select("local", project, {}).config, project), DirectoryStore)


def test_addresses_are_signed_without_asking_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    config = S3Config(
        type="s3", bucket="agents", prefix="x", endpoint="http://127.0.0.1:9", region="auto"
    )
    urls = presigned(config, ["a.tar.gz", "b.tar.gz"], 3600)
    assert list(urls) == ["a.tar.gz", "b.tar.gz"]
    parts = urlsplit(urls["a.tar.gz"])
    assert parts.path == "/agents/x/a.tar.gz"
    query = parse_qs(parts.query)
    assert query["X-Amz-Expires"] == ["3600"]
    assert "/auto/s3/" in query["X-Amz-Credential"][0]
    assert "hunter2" not in urls["a.tar.gz"]


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1])
def test_an_address_is_signed_for_a_week_at_most(seconds: int) -> None:
    with pytest.raises(ConfigError, match="can not be signed for"):
        presigned(S3Config(type="s3", bucket="agents"), ["a"], seconds)


def test_a_folder_signs_nothing(project: Path) -> None:
    with pytest.raises(ConfigError, match="signs no addresses"):
        presigned(select("local", project, {}).config, ["a"], 60)
