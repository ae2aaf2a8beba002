"""Which store is meant: reads toolkit.toml or the documents' CDN_* variables."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from toolkit.config import parse
from toolkit.errors import ConfigError, NotFoundError
from toolkit.store_config import R2_HOST, CustomConfig, S3Config, StoreConfig, ToolkitFile

GUIDE = "docs/stores.md"
# The documents' variables, by the setting that each one gives.
VARIABLES = {
    "bucket": "CDN_BUCKET",
    "prefix": "CDN_PATH",
    "endpoint": "CDN_ENDPOINT",
    "region": "CDN_REGION",
    "url": "CDN_BASE_URL",
}
_CREDENTIAL = re.compile(r"access_?key|secret|token|password|credential", re.IGNORECASE)
_USER_IN_URL = re.compile(r"://[^/]*@")


@dataclass(frozen=True)
class Selection:
    """The store that is meant, what it is called in messages, and what to warn of."""

    name: str
    config: StoreConfig
    warnings: tuple[str, ...] = ()


def choose(file: ToolkitFile | None, environ: Mapping[str, str], wanted: str | None) -> Selection:
    """Find the store called `wanted`, else the default one.

    The CDN_* variables of `environ` count only where no toolkit.toml names a store.

    Raises NotFoundError for an unknown name, ConfigError where no store is set up.
    """
    stores = file.stores if file else {}
    if wanted is not None and wanted not in stores:
        raise _unknown(wanted, sorted(stores))
    if file is None or not stores:
        return _from_environment(environ)
    name = wanted or file.default_store or (next(iter(stores)) if len(stores) == 1 else None)
    if name is None:
        raise ConfigError(
            "no store was named",
            why=f"toolkit.toml has {', '.join(sorted(stores))} and no default_store",
            hint="name one by --to, or set default_store in toolkit.toml",
        )
    warnings = stores[name].warnings
    if environ.get("CDN_TYPE"):
        warnings += ("the CDN_* variables are not used: toolkit.toml names the stores",)
    return Selection(name, stores[name], warnings)


def _unknown(wanted: str, known: list[str]) -> NotFoundError:
    near = difflib.get_close_matches(wanted, known, n=1)
    add = f"add [stores.{wanted}] to toolkit.toml: {GUIDE}"
    return NotFoundError(
        f"there is no store called {wanted!r}",
        why=f"toolkit.toml has {', '.join(known)}" if known else "no toolkit.toml names a store",
        hint=f"did you mean {near[0]}?" if near else add,
    )


def _from_environment(environ: Mapping[str, str]) -> Selection:
    config = from_variables(environ)
    if config is None:
        raise ConfigError(
            "no store is set up",
            why="there is no [stores.NAME] in a toolkit.toml here, and CDN_TYPE is not set",
            hint=f"write a toolkit.toml, or set CDN_TYPE and CDN_BUCKET: {GUIDE}",
        )
    return Selection(f"CDN_TYPE={environ['CDN_TYPE']}", config, config.warnings)


def parse_toolkit_file(text: str, *, file: str) -> ToolkitFile:
    """Read the text of a toolkit.toml; `file` is its name in errors.

    Raises InvalidFileError with each fault, and ConfigError where it holds credentials.
    """
    _refuse_credentials(dict(_store_tables(text)), file)
    return parse(ToolkitFile, text, file=file, guide=GUIDE)


def _store_tables(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        stores = tomllib.loads(text).get("stores")
    except tomllib.TOMLDecodeError:
        return  # parse() reports it
    if isinstance(stores, dict):
        for name, table in stores.items():
            if isinstance(table, dict):
                yield name, table


def _refuse_credentials(tables: Mapping[str, Mapping[str, Any]], file: str) -> None:
    """Stop before an error shows a value: it may be a secret."""
    found = [
        f"stores.{name}.{key}"
        for name, table in tables.items()
        for key, value in table.items()
        if _CREDENTIAL.search(key) or (isinstance(value, str) and _USER_IN_URL.search(value))
    ]
    if found:
        raise ConfigError(
            f"{file} holds credentials: {', '.join(found)}",
            why="the file is there to be shared, so nothing secret may stand in it",
            hint="take them out, and give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or "
            "in ~/.aws/credentials, with `profile` here; make new ones if others saw the file",
        )


def from_variables(environ: Mapping[str, str]) -> StoreConfig | None:
    """Read CDN_TYPE and its companions; None where CDN_TYPE is not set.

    Raises ConfigError with each variable's fault.
    """
    settings: dict[str, str] = {
        key: environ[name] for key, name in VARIABLES.items() if environ.get(name)
    }
    match environ.get("CDN_TYPE", ""):
        case "":
            return None
        case "custom":
            known = {key: value for key, value in settings.items() if key in {"prefix", "url"}}
            return _validated(CustomConfig, {"type": "custom", **known})
        case "s3":
            return _validated(S3Config, {"type": "s3", **settings})
        case "cloudflare-r2":
            endpoint = settings.get("endpoint") or _r2_endpoint(environ)
            return _validated(S3Config, {"type": "s3", **settings, "endpoint": endpoint})
        case other:
            raise ConfigError(
                f"CDN_TYPE is {other!r}",
                why="it must be one of s3, cloudflare-r2 and custom",
                hint=f"set it to one of these, or write a toolkit.toml: {GUIDE}",
            )


def _r2_endpoint(environ: Mapping[str, str]) -> str:
    account = environ.get("CLOUDFLARE_ACCOUNT_ID")
    if not account:
        raise ConfigError(
            "the address of the R2 bucket is not known",
            why="CDN_TYPE is cloudflare-r2, where each account has an address of its own",
            hint=f"set CDN_ENDPOINT=https://ACCOUNT_ID{R2_HOST}, or CLOUDFLARE_ACCOUNT_ID",
        )
    return f"https://{account}{R2_HOST}"


def _validated(model: type[StoreConfig], settings: Mapping[str, str]) -> StoreConfig:
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        # Their values are left out: an address may have a password in it.
        faults = [
            f"{_variable(fault['loc'])}: "
            + ("it is not set" if fault["type"] == "missing" else _expected(fault["msg"]))
            for fault in error.errors(include_input=False)
        ]
    raise ConfigError(
        "the CDN_* variables do not describe a store",
        why="\n".join(faults),
        hint=f"mend them, or write a toolkit.toml: {GUIDE}",
    )


def _variable(location: tuple[int | str, ...]) -> str:
    return VARIABLES.get(str(location[0]), "CDN_*") if location else "CDN_*"


def _expected(message: str) -> str:
    return "expected " + message.removeprefix("Value error, ")
