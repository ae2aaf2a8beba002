"""What one controller is started with: read once from the environment, then never again."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from aiwm_controller.agent_settings import NAMES
from aiwm_controller.errors import SetupError
from aiwm_controller.levels import LOG_LEVELS
from aiwm_controller.networks import Network, networks

DEFAULT_DATABASE = "sqlite:///aiwm-controller.db"
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


@dataclass(frozen=True)
class Settings:
    """How a controller behaves; times are in seconds."""

    database: URL = field(default_factory=lambda: database_url(DEFAULT_DATABASE))
    jwt_secret: str = field(default="", repr=False)
    path_prefix: str = ""
    public_url: str = ""
    releases: Path | None = None
    migrate: bool = False
    mcp_name: str = "cbm-tools"
    mcp_url: str = ""
    settings_names: str = "both"
    online_within: int = 90
    late_within: int = 300
    next_heartbeat: int = 60
    history: int = 120
    token_seconds: int = 86_400
    download_seconds: int = 900
    connects_a_minute: int = 30
    body_limit: int = 1 << 20
    inference_limit: int = 32 << 20
    inference_seconds: int = 600
    private_endpoints: tuple[Network, ...] = ()
    sealing_key: str = field(default="", repr=False)
    secure_cookies: bool = True
    trusted_proxies: str = "127.0.0.1"
    host: str = "127.0.0.1"
    log_level: str = "info"


def database_url(text: str, password: str = "") -> URL:
    """Give the address of a database with the driver that the controller uses for it."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:  # the latter for a port that is no number
        raise SetupError(
            "the address of the database can't be read",
            hint="sqlite:///FILE or postgresql://USER@HOST/NAME",
        ) from error
    driver = _DRIVERS.get(url.drivername, url.drivername)
    if driver not in _DRIVERS.values():
        raise SetupError(
            f"the database {url.drivername} is not supported",
            hint="sqlite:///FILE or postgresql://USER@HOST/NAME",
        )
    if driver == _DRIVERS["sqlite"] and url.database in (None, "", ":memory:"):
        raise SetupError(
            "the address of the database names no file",
            hint="sqlite:///FILE, and sqlite:////FILE from the root of the file system",
        )
    url = url.set(drivername=driver)
    return url.set(password=password) if password else url


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read AIWM_… variables; raises SetupError that names the one which is wrong."""
    given = {name: value for name, value in environ.items() if value != ""}
    default = Settings()
    numbers = {
        name: _number(given, f"AIWM_{name.upper()}", getattr(default, name))
        for name in (
            "online_within",
            "late_within",
            "next_heartbeat",
            "history",
            "token_seconds",
            "download_seconds",
            "connects_a_minute",
            "body_limit",
            "inference_limit",
            "inference_seconds",
        )
    }
    if numbers["history"] < 100:
        raise SetupError(
            "AIWM_HISTORY is less than 100",
            hint="a release may ask for 100 heartbeats before it stays",
        )
    return Settings(
        database=database_url(
            given.get("AIWM_DATABASE_URL", DEFAULT_DATABASE),
            given.get("AIWM_DATABASE_PASSWORD", ""),
        ),
        jwt_secret=_secret("AIWM_JWT_SECRET", given.get("AIWM_JWT_SECRET", "")),
        sealing_key=_secret("AIWM_SEALING_KEY", given.get("AIWM_SEALING_KEY", "")),
        private_endpoints=_networks(given.get("AIWM_PRIVATE_ENDPOINTS", "")),
        path_prefix=prefix(given.get("AIWM_PATH_PREFIX", "")),
        public_url=_public(given.get("AIWM_PUBLIC_URL", "")),
        releases=_folder(given, "AIWM_RELEASES"),
        migrate=_switch(given, "AIWM_MIGRATE", default=False),
        mcp_name=given.get("AIWM_MCP_NAME", default.mcp_name),
        mcp_url=_public(given.get("AIWM_MCP_URL", "")),
        settings_names=_chosen(given, "AIWM_SETTINGS_NAMES", NAMES, default.settings_names),
        secure_cookies=_switch(given, "AIWM_SECURE_COOKIES", default=True),
        trusted_proxies=_proxies(given.get("AIWM_TRUSTED_PROXIES", default.trusted_proxies)),
        host=given.get("AIWM_HOST", default.host),
        log_level=_chosen(given, "AIWM_LOG_LEVEL", LOG_LEVELS, default.log_level),
        **numbers,
    )


def prefix(text: str) -> str:
    """Give a path prefix with one slash before it and none after it; empty for none."""
    bare = text.strip("/")
    if any(not (char.isalnum() or char in "/-_.") for char in bare) or "//" in bare:
        raise SetupError(f"{text!r} can't be a path prefix", hint="such as /dev/aiwm")
    return f"/{bare}" if bare else ""


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 31:
        raise SetupError(f"{name} is {text!r}", hint="give a whole number greater than 0")
    return int(text)


def _switch(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    found = _SWITCHES.get(given.get(name, str(default)).lower())
    if found is None:
        raise SetupError(f"{name} is {given[name]!r}", hint="give true or false")
    return found


def _folder(given: Mapping[str, str], name: str) -> Path | None:
    if name not in given:
        return None
    folder = Path(given[name])
    if not folder.is_dir():
        raise SetupError(f"{name} is {given[name]!r}, and that is no folder", hint="name one")
    return folder


def _chosen(given: Mapping[str, str], name: str, choices: Collection[str], default: str) -> str:
    text = given.get(name, default).lower()
    if text not in choices:
        raise SetupError(f"{name} is {given[name]!r}", hint=f"give {', '.join(choices)}")
    return text


def _secret(name: str, text: str) -> str:
    if text and len(text.encode()) < 32:
        raise SetupError(f"{name} is shorter than 32 bytes", hint="make one: openssl rand -hex 32")
    return text


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return networks(text.split(","))
    except ValueError as error:
        raise SetupError(
            f"AIWM_PRIVATE_ENDPOINTS: {error}", hint="such as 10.0.0.0/8,127.0.0.1"
        ) from error


def _proxies(text: str) -> str:
    """Check what is trusted: of anything else than an address, nobody would ever be."""
    try:
        networks(() if text.strip() == "*" else text.split(","))
    except ValueError as error:
        raise SetupError(
            f"AIWM_TRUSTED_PROXIES: {error}", hint="such as 127.0.0.1,10.0.0.0/8, or * for all"
        ) from error
    return text


def _public(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if text and not usable:
        raise SetupError(
            f"{text!r} is no http or https address", hint="such as https://aiwm.example.com/prefix"
        )
    return text.rstrip("/")
