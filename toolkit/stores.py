"""The stores of a project: reads its toolkit.toml, and opens the store that is meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from toolkit.errors import ConfigError
from toolkit.store import DirectoryStore, Store
from toolkit.store_config import CustomConfig, DirectoryConfig, S3Config, StoreConfig, ToolkitFile
from toolkit.store_settings import GUIDE, Selection, choose, parse_toolkit_file

FILE = "toolkit.toml"
LONGEST_PRESIGNED = 7 * 24 * 3600


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


def open_store(config: StoreConfig, project: Path, *, allow_races: bool = False) -> Store:
    """Open a store; a relative path counts from the folder `project`.

    With `allow_races`, one that honours no conditional writes is written to all the same.
    """
    if isinstance(config, DirectoryConfig):
        return DirectoryStore(project / Path(config.path).expanduser() / config.prefix)
    if isinstance(config, CustomConfig):
        raise ConfigError(
            "this store is filled by hand",
            why="its type is custom",
            hint="run `toolkit upload`: it says what to copy where",
        )
    from toolkit.s3.store import S3Store  # noqa: PLC0415 - boto3 takes long to import

    return S3Store(config, allow_races=allow_races)


def presigned(config: StoreConfig, names: Iterable[str], seconds: int) -> dict[str, str]:
    """Give, for each of `names`, an address that lets anybody fetch it for that many seconds.

    Nothing is asked of the store: an address for a file that is not there fails when it is used.
    It also ends with the credentials that signed it, where those are temporary.

    Raises ConfigError where the store signs no addresses, or not for so long, and
    CredentialsError where there are no credentials.
    """
    if not isinstance(config, S3Config):
        raise ConfigError(
            "this store signs no addresses",
            why=f"its type is {config.type}, and only one of type s3 can",
            hint="leave out --presign, or name a bucket",
        )
    if not 0 < seconds <= LONGEST_PRESIGNED:
        raise ConfigError(
            f"an address can not be signed for {seconds} seconds",
            why="S3 takes signatures for one second to seven days",
            hint=f"take at most {LONGEST_PRESIGNED // 3600} hours",
        )
    from toolkit.s3.store import presign  # noqa: PLC0415 - boto3 takes long to import

    return presign(config, names, seconds)


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
