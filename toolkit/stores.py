"""The stores of a project: reads its toolkit.toml, and opens the store that is meant."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from toolkit.errors import ConfigError
from toolkit.store import DirectoryStore, Store
from toolkit.store_config import CustomConfig, DirectoryConfig, StoreConfig, ToolkitFile
from toolkit.store_settings import GUIDE, Selection, choose, parse_toolkit_file

FILE = "toolkit.toml"


def select(wanted: str | None, project: Path, environ: Mapping[str, str] = os.environ) -> Selection:
    """Find the store called `wanted`, else the default one of the folder `project`.

    Raises NotFoundError for an unknown name, ConfigError where no store is set up or
    toolkit.toml has a fault.
    """
    return choose(read_toolkit_file(project), environ, wanted)


def read_toolkit_file(project: Path) -> ToolkitFile | None:
    """Read toolkit.toml of the folder `project`; None where there is none."""
    file = project / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"could not read {file}", why=str(error), hint="mend the file or its permissions"
        ) from error
    return parse_toolkit_file(text, file=str(file))


def open_store(config: StoreConfig, project: Path) -> Store:
    """Open a store; a relative path counts from the folder `project`."""
    if isinstance(config, DirectoryConfig):
        return DirectoryStore(project / Path(config.path).expanduser() / config.prefix)
    if isinstance(config, CustomConfig):
        raise ConfigError(
            "this store is filled by hand",
            why="its type is custom",
            hint="run `toolkit upload`: it says what to copy where",
        )
    from toolkit.store_s3 import S3Store  # noqa: PLC0415 - boto3 takes long to import

    return S3Store(config)


def public_url(wanted: str | None, project: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Give the address under which hosts fetch files, without a slash at its end.

    `wanted` is a store's name or such an address; without it, the default store is meant.

    Raises ConfigError where the store has no public address, and as `select` does.
    """
    if wanted is not None and "://" in wanted:
        return wanted.rstrip("/")
    selection = select(wanted, project, environ)
    if selection.config.base_url is None:
        raise ConfigError(
            f"the store {selection.name} has no public address",
            why="hosts fetch releases by a URL, and none is set for it",
            hint=f"set `url` of the store in {FILE}, or CDN_BASE_URL: {GUIDE}",
        )
    return selection.config.base_url
