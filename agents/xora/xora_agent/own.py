"""The client's own settings: which controller, how often, and where logs and health go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from xora_agent.errors import SettingError
from xora_agent.secret import Secret
from xora_agent.values import Setting, boolean, number, text, whole, word

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LEVELS = {"warn": "warning", "fatal": "critical"}

# Every variable that is read here; docs/xora-agent.md has the table.
_ENABLED = Setting("AIWM_ENABLED", boolean, False)
_BASE_URL = Setting("AIWM_BASE_URL", text, "")
_AGENT_ID = Setting("AIWM_AGENT_ID", text, "")
_SECRET = Setting("AIWM_AGENT_SECRET", text, "")
_ALLOW_HTTP = Setting("AIWM_ALLOW_HTTP", boolean, False)
_TIMEOUT = Setting("AIWM_TIMEOUT_SECONDS", number, 10.0)
_BACKOFF = Setting("AIWM_BACKOFF_SECONDS", number, 1.0)
_RETRY = Setting("AIWM_RETRY_SECONDS", number, 300.0)
_REFRESH = Setting("AIWM_REFRESH_SECONDS", number, 82_800.0)
_HEARTBEAT = Setting("AIWM_HEARTBEAT_SECONDS", number, 60.0)
_SHUTDOWN = Setting("AIWM_SHUTDOWN_SECONDS", number, 20.0)
_VERSION = Setting("AIWM_RELEASE_VERSION", text, "")
_HEALTH_HOST = Setting("AIWM_HEALTH_HOST", word, "127.0.0.1")
_HEALTH_PORT = Setting("AIWM_HEALTH_PORT", whole, 3366)
_LOG_LEVEL = Setting("LOG_LEVEL", word, "info")
_LOG_FILE = Setting("LOG_FILE", text, "./logs/agent.log")
_NAME = Setting("AGENT_NAME", text, "")
_CA = Setting("SSL_CERT_FILE", text, "")


@dataclass(frozen=True)
class Account:
    """Who the agent is to which controller."""

    base_url: str
    agent_id: str
    secret: Secret
    ca_file: str = ""


@dataclass(frozen=True)
class Times:
    """How long things take, in seconds; `backoff` is the first wait of three, doubled each time."""

    timeout: float = 10
    backoff: float = 1
    retry: float = 300
    refresh: float = 82_800
    heartbeat: float = 60
    shutdown: float = 20


@dataclass(frozen=True)
class Own:
    """What the client is started with; `account` is None where it works without a controller."""

    account: Account | None
    times: Times
    name: str
    release_version: str
    health_host: str
    health_port: int
    log_level: str
    log_file: Path | None
    allow_http: bool


def own(env: Mapping[str, str]) -> Own:
    """Read the client's own settings; raises SettingError that names the variable."""
    log_file = _LOG_FILE.value({}, env)
    port = _HEALTH_PORT.value({}, env)
    if port > 65535:
        raise SettingError("the setting AIWM_HEALTH_PORT can't be used", why="it is no port")
    return Own(
        account=_account(env) if _ENABLED.value({}, env) else None,
        times=_times(env),
        name=_NAME.value({}, env),
        release_version=_VERSION.value({}, env),
        health_host=_HEALTH_HOST.value({}, env),
        health_port=port,
        log_level=_level(_LOG_LEVEL.value({}, env)),
        log_file=Path(log_file) if log_file else None,
        allow_http=_ALLOW_HTTP.value({}, env),
    )


def _times(env: Mapping[str, str]) -> Times:
    times = Times(
        timeout=_TIMEOUT.value({}, env),
        backoff=_BACKOFF.value({}, env),
        retry=_RETRY.value({}, env),
        refresh=_REFRESH.value({}, env),
        heartbeat=_HEARTBEAT.value({}, env),
        shutdown=_SHUTDOWN.value({}, env),
    )
    for setting, seconds in (
        (_TIMEOUT, times.timeout),
        (_RETRY, times.retry),
        (_REFRESH, times.refresh),
        (_HEARTBEAT, times.heartbeat),
    ):
        if not seconds:
            raise SettingError(
                f"the setting {setting.env} can't be used", why="it must be more than 0 seconds"
            )
    return times


def _account(env: Mapping[str, str]) -> Account:
    base = _BASE_URL.value({}, env).rstrip("/")
    agent_id = _AGENT_ID.value({}, env)
    secret = Secret(_SECRET.value({}, env))
    given = {_BASE_URL: base, _AGENT_ID: agent_id, _SECRET: secret}
    missing = [setting.env for setting, value in given.items() if not value]
    if missing:
        raise SettingError(
            f"AIWM_ENABLED is true and {', '.join(missing)} not set",
            hint="put them into .env, or set AIWM_ENABLED=false",
        )
    require_safe(base, "AIWM_BASE_URL", allow_http=_ALLOW_HTTP.value({}, env))
    return Account(base, agent_id, secret, _CA.value({}, env))


def require_safe(url: str, name: str, *, allow_http: bool) -> None:
    """Raise SettingError unless secrets may be sent to `url`: by HTTPS, or to this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"}:
        raise SettingError(f"{name} is no http or https address", hint="such as https://HOST/aiwm")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingError(f"{name} must have no user, password, query or fragment")
    if parts.scheme == "http" and host not in _LOOPBACK and not allow_http:
        raise SettingError(
            f"{name} is http, where anybody on the way reads the agent's token",
            hint="use https; AIWM_ALLOW_HTTP=true allows it all the same",
        )


def _level(said: str) -> str:
    level = _LEVELS.get(said.lower(), said.lower())
    if level not in {"debug", "info", "warning", "error", "critical"}:
        raise SettingError(
            "the setting LOG_LEVEL can't be used",
            why="it must be debug, info, warning, error or critical",
        )
    return level
