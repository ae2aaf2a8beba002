import pytest
from pydantic import ValidationError

from toolkit.store_config import CustomConfig, DirectoryConfig, S3Config


def bucket(**settings: object) -> S3Config:
    return S3Config.model_validate({"type": "s3", "bucket": "agents-bucket"} | settings)


def test_the_public_address_is_built_from_url_and_prefix() -> None:
    config = bucket(prefix="/agents/", url="https://cdn.example.com/")
    assert config.key("a.tar.gz") == "agents/a.tar.gz"
    assert config.base_url == "https://cdn.example.com/agents"
    assert config.file_url("a.tar.gz") == "https://cdn.example.com/agents/a.tar.gz"


def test_without_a_prefix_files_stand_at_the_root() -> None:
    config = DirectoryConfig(type="directory", path="store", url="http://127.0.0.1:8000")
    assert config.key("a.tar.gz") == "a.tar.gz"
    assert config.file_url("a.tar.gz") == "http://127.0.0.1:8000/a.tar.gz"


def test_without_a_url_there_is_no_public_address() -> None:
    assert bucket(prefix="agents").base_url is None
    assert bucket(prefix="agents").file_url("a.tar.gz") is None


def test_the_prefix_may_not_stand_in_the_url_too() -> None:
    with pytest.raises(ValidationError, match=r"url = 'https://cdn.example.com', the store's root"):
        bucket(prefix="agents", url="https://cdn.example.com/agents")


def test_a_bucket_may_be_called_like_the_prefix() -> None:
    config = bucket(bucket="agents", prefix="agents", url="https://minio.example.com/agents")
    assert config.base_url == "https://minio.example.com/agents/agents"


@pytest.mark.parametrize(
    "settings",
    [
        {"bucket": "Not_A_Bucket"},
        {"prefix": "a//b"},
        {"prefix": "../agents"},
        {"prefix": "agents?x"},
        {"prefix": "a b"},
        {"url": "cdn.example.com"},
        {"url": "ftp://cdn.example.com"},
        {"url": "https://cdn.example.com/?key=1"},
        {"endpoint": "https://account.r2.cloudflarestorage.com/agents-bucket"},
        {"endpoint": "https://agents-bucket.nyc3.digitaloceanspaces.com"},
        {"endpoint": "https://["},
        {"acl": "public"},
        {"path_style": "yes"},
        {"access": "key"},
    ],
)
def test_what_can_not_be_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        bucket(**settings)


def test_r2_is_known_by_its_address_and_an_acl_there_is_warned_of() -> None:
    r2 = bucket(endpoint="https://account.eu.r2.cloudflarestorage.com", acl="public-read")
    assert r2.is_r2
    assert "R2 has no ACLs" in r2.warnings[0]
    assert not bucket(acl="public-read").is_r2
    assert bucket(acl="public-read").warnings == ()


def test_nothing_is_public_by_itself() -> None:
    assert bucket().acl is None
    assert CustomConfig(type="custom").base_url is None
