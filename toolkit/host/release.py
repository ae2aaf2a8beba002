"""What a release says of itself: toolkit/release.json in the tarball.

`toolkit release` writes it and `agentctl` reads it, so the format stands here once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from toolkit.host.errors import BadRelease

SCHEMA = 1
PATH = "toolkit/release.json"
UNITS = "toolkit/units"
USER_UNITS = f"{UNITS}/user"
ENV_EXAMPLE = ".env.example"
NODE = "runtime/node/bin/node"
PM2 = "runtime/pm2/node_modules/pm2/bin/pm2"
WHEELS = "wheels"
VENV = "venv"
# CPython minor versions that a Python release carries wheels for.
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
PLACEHOLDERS = ("current", "home", "node", "python", "bin", "version")


@dataclass(frozen=True)
class Runtime:
    """What runs the agent.

    `kind` is node, python or none; `version` is Node.js's exact version or Python's
    minimum; `bundled` says whether the tarball carries it; `pm2` is the version of the
    PM2 in the tarball, if there is one.
    """

    kind: str
    version: str
    bundled: bool
    pm2: str | None = None


@dataclass(frozen=True)
class Service:
    """How the agent runs. `exec` and `working_directory` may hold placeholders.

    `credentials` says where its secrets go: env (.env), credentials (systemd's) or both.
    """

    name: str
    exec: tuple[str, ...]
    user: str | None
    working_directory: str
    environment: Mapping[str, str]
    required: tuple[str, ...]
    secret: tuple[str, ...]
    restart_delay: int
    memory_limit: str | None
    managers: tuple[str, ...]
    credentials: str = "env"


@dataclass(frozen=True)
class Hooks:
    """Commands of the release's own, in its folder, as the service's user; seconds each at most.

    `before_switch` runs while the old version still does, `after_commit` when the new one stays.
    """

    before_switch: tuple[str, ...] = ()
    after_commit: tuple[str, ...] = ()
    timeout: int = 60


@dataclass(frozen=True)
class Controller:
    """Where the agent's heartbeats can be asked for, and how many of a version are enough.

    `url` may hold variables of the service as ${NAME}; `token` names the one that is sent as bearer
    token. For `patience` seconds a controller that can't be asked is waited for.
    """

    url: str
    token: str | None = None
    beats: int = 3
    patience: int = 300


@dataclass(frozen=True)
class Health:
    """When the service counts as healthy.

    `kind` is http (target: one URL), tcp (target: host:port), command (target: argv) or notify;
    `timeout` and `interval` are seconds. An answer of http must contain the text `contains`.
    A version on trial must be healthy for `watch` seconds, and may be restarted `restarts` times.
    `notify` says that it tells systemd when it is ready. With a `controller`, that must have heard
    from it as well.
    """

    kind: str
    target: tuple[str, ...]
    timeout: int
    interval: float
    contains: str | None = None
    watch: int = 60
    restarts: int = 1
    notify: bool = False
    controller: Controller | None = None


@dataclass(frozen=True)
class Release:
    """One release; `platform` is None where the bytes are the same on every platform."""

    name: str
    title: str
    version: str
    platform: str | None
    runtime: Runtime
    service: Service
    health: Health | None
    hooks: Hooks = Hooks()

    def to_json(self) -> str:
        """Give the text of release.json, the same for equal releases."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2, sort_keys=True) + "\n"


def parse_release(text: str) -> Release:
    """Read the text of a release.json.

    Raises BadRelease where it is not one, or is of a newer schema than this code knows.
    """
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise BadRelease(
                f"the release's format is {data['schema']}, this agentctl reads {SCHEMA}",
                hint="install with the agentctl that was published with the release",
            )
        return _release(data)
    except (ValueError, KeyError, TypeError) as error:
        raise BadRelease(f"{PATH} is not a release description: {error!r}") from error


def _release(data: Mapping[str, Any]) -> Release:
    service, health = data["service"], data["health"]
    lists = ("exec", "required", "secret", "managers")
    return Release(
        name=data["name"],
        title=data["title"],
        version=data["version"],
        platform=data["platform"],
        runtime=Runtime(**data["runtime"]),
        service=Service(**{**service, **{key: tuple(service[key]) for key in lists}}),
        health=_health(health) if health else None,
        hooks=_hooks(data.get("hooks", {})),
    )


def _health(data: Mapping[str, Any]) -> Health:
    controller = data.get("controller")
    known = Controller(**controller) if controller else None
    return Health(**{**data, "target": tuple(data["target"]), "controller": known})


def _hooks(data: Mapping[str, Any]) -> Hooks:
    lists = ("before_switch", "after_commit")
    return Hooks(**{**data, **{key: tuple(data[key]) for key in lists if key in data}})


def default_home(service: str) -> str:
    """Give the folder that rendered units name for `service`."""
    return f"/opt/{service}"


def user_home(home: str, service: str) -> str:
    """Give the folder that rendered user units name for `service`, below the user's own `home`."""
    return f"{home}/.local/share/{service}"


def resolve(text: str, release: Release, home: str) -> str:
    """Replace the placeholders of `text` for an installation in the folder `home`.

    Anything else in braces stays: it may be a value of the agent's own.
    """
    current = f"{home}/current"
    bundled = release.runtime.bundled
    values = {
        "home": home,
        "current": current,
        "node": f"{current}/{NODE}" if bundled else "/usr/bin/node",
        "python": f"{current}/{VENV}/bin/python",
        "bin": f"{current}/{VENV}/bin",
        "version": release.version,
    }
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def command_line(release: Release, home: str) -> tuple[str, ...]:
    """Give the argv that runs the service when it is installed in `home`."""
    return tuple(resolve(word, release, home) for word in release.service.exec)


def environment(release: Release, home: str) -> dict[str, str]:
    """Give the release's own variables for an installation in `home`."""
    values = release.service.environment
    return {name: resolve(value, release, home) for name, value in values.items()}


def search_path(release: Release, home: str) -> str:
    """Give PATH for the service: what came with the release first."""
    folders = {"node": NODE.rpartition("/")[0], "python": f"{VENV}/bin"}
    own = folders.get(release.runtime.kind)
    if own is None or (release.runtime.kind == "node" and not release.runtime.bundled):
        return SYSTEM_PATH
    return f"{home}/current/{own}:{SYSTEM_PATH}"
