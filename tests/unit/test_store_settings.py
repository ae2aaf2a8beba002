import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from toolkit.config import InvalidFileError
from toolkit.errors import ConfigError, NotFoundError
from toolkit.store_config import CustomConfig, DirectoryConfig, S3Config, ToolkitFile
from toolkit.store_settings import VARIABLES, choose, from_variables, parse_toolkit_file

ROOT = Path(__file__).parents[2]
TWO_STORES = """
default_store = "production"

[stores.local]
type = "directory"
path = "store"

[stores.production]
type = "s3"
bucket = "hydrabyte-agents"
prefix = "agents"
url = "https://cdn.example.com"
"""


MODELS: dict[str, type[BaseModel]] = {
    "directory": DirectoryConfig,
    "s3": S3Config,
    "custom": CustomConfig,
}


def parse(text: str) -> ToolkitFile:
    return parse_toolkit_file(text, file="toolkit.toml")


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        parse(text)
    assert "docs/stores.md" in caught.value.hint
    return [str(fault) for fault in caught.value.faults]


def test_stores_are_read_by_name() -> None:
    file = parse(TWO_STORES)
    assert list(file.stores) == ["local", "production"]
    assert file.default_store == "production"
    assert file.stores["production"].base_url == "https://cdn.example.com/agents"


def test_a_misspelt_key_gets_a_suggestion() -> None:
    found = faults('[stores.cdn]\ntype = "s3"\nbukcet = "x"\n')
    assert found[0].startswith("stores.cdn.bukcet: found an unknown key, expected one of acl, ")
    assert found[0].endswith("(did you mean bucket?)")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[stores.cdn]\ntype = "s3"\n', "stores.cdn.bucket: found nothing, expected a value"),
        ('[stores.cdn]\ntype = "s3"\nbucket = 3\n', "stores.cdn.bucket: found 3, expected"),
        ('[stores.cdn]\ntype = "ftp"\n', "stores.cdn.type: found 'ftp', expected one of"),
        ('[stores.cdn]\nbucket = "x"\n', "stores.cdn.type: found nothing, expected one of"),
        ('default_store = "x"\n', "default_store: found 'x', expected one of the stores here"),
        ('defualt_store = "x"\n', "defualt_store: found an unknown key"),
        ("stores = 1\n", "stores: found 1, expected"),
        ("stores\n", "the file: found a mistake in its TOML"),
        ('[stores."A B"]\ntype = "custom"\n', "stores.A B"),
    ],
)
def test_each_fault_is_named(text: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(text)), faults(text)


@pytest.mark.parametrize(
    "line",
    [
        'aws_secret_access_key = "hunter2"',
        'access_key = "hunter2"',
        'password = "hunter2"',
        'session_token = "hunter2"',
        'endpoint = "https://me:hunter2@s3.example.com"',
    ],
)
def test_credentials_do_not_belong_there_and_are_never_shown(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f'[stores.cdn]\ntype = "s3"\nbucket = "agents"\n{line}\n')
    error = caught.value
    assert line.split(maxsplit=1)[0] in error.message
    assert "AWS_SECRET_ACCESS_KEY" in error.hint
    assert "hunter2" not in f"{error.message}{error.why}{error.hint}{error.__cause__}"


def test_the_documents_variables_describe_a_bucket() -> None:
    config = from_variables(
        {
            "CDN_TYPE": "s3",
            "CDN_BUCKET": "hydrabyte-agents",
            "CDN_PATH": "agents",
            "CDN_ENDPOINT": "https://nyc3.digitaloceanspaces.com",
            "CDN_REGION": "us-east-1",
            "CDN_BASE_URL": "https://cdn.x-or.cloud",
        }
    )
    assert isinstance(config, S3Config)
    assert config.bucket == "hydrabyte-agents"
    assert config.region == "us-east-1"
    assert config.endpoint == "https://nyc3.digitaloceanspaces.com"
    assert config.file_url("x.tar.gz") == "https://cdn.x-or.cloud/agents/x.tar.gz"
    assert config.acl is None


def test_r2_needs_an_account_or_an_endpoint() -> None:
    variables = {"CDN_TYPE": "cloudflare-r2", "CDN_BUCKET": "agents"}
    with pytest.raises(ConfigError, match="R2") as caught:
        from_variables(variables)
    assert "CDN_ENDPOINT" in caught.value.hint
    for more in (
        {"CLOUDFLARE_ACCOUNT_ID": "abc"},
        {"CDN_ENDPOINT": "https://abc.r2.cloudflarestorage.com"},
    ):
        config = from_variables(variables | more)
        assert isinstance(config, S3Config)
        assert config.endpoint == "https://abc.r2.cloudflarestorage.com"
        assert config.is_r2


def test_a_custom_store_needs_nothing() -> None:
    config = from_variables({"CDN_TYPE": "custom", "CDN_PATH": "agents", "CDN_BUCKET": "unused"})
    assert isinstance(config, CustomConfig)
    assert config.prefix == "agents"


def test_wrong_variables_are_named_without_their_values() -> None:
    with pytest.raises(ConfigError) as caught:
        from_variables({"CDN_TYPE": "s3", "CDN_ENDPOINT": "me:hunter2@s3", "CDN_PATH": "a//b"})
    assert "CDN_BUCKET: it is not set" in caught.value.why
    assert "CDN_ENDPOINT: expected a URL" in caught.value.why
    assert "CDN_PATH: expected folders" in caught.value.why
    assert "hunter2" not in caught.value.why


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="CDN_TYPE is 'ftp'"):
        from_variables({"CDN_TYPE": "ftp"})


def test_the_default_store_is_chosen_and_another_by_name() -> None:
    file = parse(TWO_STORES)
    assert choose(file, {}, None).name == "production"
    assert choose(file, {}, "local").name == "local"


def test_a_lone_store_is_the_default() -> None:
    assert choose(parse('[stores.hand]\ntype = "custom"\n'), {}, None).name == "hand"


def test_several_stores_and_no_default_are_not_guessed_at() -> None:
    file = parse(TWO_STORES.replace("default_store", "#"))
    with pytest.raises(ConfigError, match="no store was named"):
        choose(file, {}, None)


def test_an_unknown_store_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="no store called 'prodution'") as caught:
        choose(parse(TWO_STORES), {}, "prodution")
    assert caught.value.hint == "did you mean production?"
    with pytest.raises(NotFoundError) as caught:
        choose(None, {"CDN_TYPE": "custom"}, "production")
    assert "[stores.production]" in caught.value.hint


def test_the_variables_count_without_a_toolkit_file_only() -> None:
    environ = {"CDN_TYPE": "custom"}
    assert choose(None, environ, None).name == "CDN_TYPE=custom"
    assert choose(ToolkitFile(), environ, None).name == "CDN_TYPE=custom"
    selection = choose(parse(TWO_STORES), environ, None)
    assert selection.name == "production"
    assert "the CDN_* variables are not used" in selection.warnings[0]


def test_without_anything_set_up_it_says_how() -> None:
    with pytest.raises(ConfigError, match="no store is set up") as caught:
        choose(None, {}, None)
    assert "CDN_TYPE" in caught.value.hint


def test_the_example_is_valid_and_names_every_key() -> None:
    text = (ROOT / "toolkit.example.toml").read_text(encoding="utf-8")
    assert set(parse(text).stores) == {"production", "local", "by-hand"}
    tables = tomllib.loads(text)["stores"].values()
    for kind, model in MODELS.items():
        used = {key for table in tables if table["type"] == kind for key in table}
        assert used >= set(model.model_fields) - {"prefix"}


def test_the_example_signs_nothing_until_it_is_told_to() -> None:
    text = (ROOT / "toolkit.example.toml").read_text(encoding="utf-8")
    assert parse(text).trust is None
    told = re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)
    trust = parse(told).trust
    assert trust is not None
    assert trust.signers("glances") == ("file:keys/glances-1.pem",)


def test_the_guide_names_every_key_and_variable() -> None:
    guide = (ROOT / "docs/stores.md").read_text(encoding="utf-8")
    keys = {key for model in MODELS.values() for key in model.model_fields}
    for name in (*keys, *VARIABLES.values(), "default_store", "CDN_TYPE"):
        assert f"`{name}`" in guide
