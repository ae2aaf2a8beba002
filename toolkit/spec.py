"""What an agent is: the model of release/<agent>.toml."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from toolkit.host.credentials import LOADERS
from toolkit.host.release import PLACEHOLDER, PLACEHOLDERS, PYTHONS
from toolkit.sandbox import PATTERNS as SANDBOX_PATTERNS
from toolkit.sandbox import Sandbox

Platform = Literal["linux-x64", "linux-arm64"]
Manager = Literal["systemd", "systemd-user", "pm2", "direct"]

# What each pattern means in words, for error messages.
PATTERNS = {
    r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$": "lower-case letters, digits and hyphens, as in my-agent",
    # No "+": it stands for a space in some stores' URLs.
    r"^[0-9][0-9A-Za-z._-]{0,63}$": "a version of digits, letters, dots, _ and -, as in 1.4.0",
    r"^[0-9]+\.[0-9]+\.[0-9]+$": "a whole version, as in 24.21.0",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "the name of a variable, as in LOG_LEVEL",
    r"^[a-z_][a-z0-9_-]{0,30}$": "the name of a user, as in my-agent",
    r"^[1-9][0-9]*[KMG]$": "an amount of memory, as in 512M or 1G",
    r"^https?://[^\s]+$": "a URL, as in http://127.0.0.1:8080/health",
    r"^[\w.-]+:[0-9]{1,5}$": "HOST:PORT, as in 127.0.0.1:8080",
    r"^[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$": "the name of an extra, as in web",
}
NAME, VERSION, EXACT_VERSION, VARIABLE, USER, MEMORY, URL, ADDRESS, EXTRA = PATTERNS
PATTERNS |= SANDBOX_PATTERNS

Name = Annotated[str, StringConstraints(pattern=NAME)]
Version = Annotated[str, StringConstraints(pattern=VERSION)]
ExactVersion = Annotated[str, StringConstraints(pattern=EXACT_VERSION)]
Variable = Annotated[str, StringConstraints(pattern=VARIABLE)]
User = Annotated[str, StringConstraints(pattern=USER)]
Memory = Annotated[str, StringConstraints(pattern=MEMORY)]
Url = Annotated[str, StringConstraints(pattern=URL)]
Address = Annotated[str, StringConstraints(pattern=ADDRESS)]
Extra = Annotated[str, StringConstraints(pattern=EXTRA)]
Argv = Annotated[list[str], Field(min_length=1)]

# The names of roles that sign for something else than an agent.
RESERVED = ("root", "targets", "snapshot", "timestamp", "agentctl")

NPM_SOURCE = re.compile(r"^npm:(?P<package>(@[\w.-]+/)?[\w.-]+)@(?P<version>[0-9][\w.-]*)$")
PYPI_SOURCE = re.compile(
    r"^pypi:(?P<package>[A-Za-z0-9][\w.-]*(\[[\w,.-]+\])?)==(?P<version>[0-9][\w.!]*)$"
)


class Model(BaseModel):
    """Refuses unknown keys and wrong types, so that a slip is reported and not guessed at."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Build(Model):
    """How the tree that is packed comes from the source."""

    commands: list[Argv] = Field(
        default=[], description="commands to run in a copy of the source folder, each as a list"
    )
    include: list[str] = Field(
        default=["**"], description="patterns of the source folder's files to pack"
    )
    exclude: list[str] = Field(default=[], description="patterns of files to leave out again")
    install_scripts: bool = Field(
        default=False, description="let npm packages run their own install scripts"
    )
    extras: list[Extra] = Field(
        default=[], description="optional dependencies of a Python folder that it runs with"
    )
    local: list[str] = Field(
        default=[], description="folders of the project whose Python packages the source needs"
    )
    without: list[Extra] = Field(
        default=[], description="Python packages that others ask for, and that are never loaded"
    )
    allow_secrets: list[str] = Field(
        default=[], description="paths that look like secrets and are none, such as test keys"
    )


class NodeRuntime(Model):
    """Node.js runs the agent."""

    kind: Literal["node"]
    version: ExactVersion = Field(description="Node.js's exact version, such as 24.21.0")
    bundled: bool = Field(default=True, description="false: use the host's /usr/bin/node")
    pm2: ExactVersion | None = Field(
        default=None, description="pack this version of PM2 too; else the host's is used"
    )


class PythonRuntime(Model):
    """The host's CPython runs the agent, in a virtual environment of its own."""

    kind: Literal["python"]
    minimum: Literal["3.10", "3.11", "3.12", "3.13"] = Field(
        default="3.10", description="the oldest CPython that the agent runs on"
    )

    @property
    def versions(self) -> tuple[str, ...]:
        """Every CPython minor version that the release must carry wheels for."""
        return PYTHONS[PYTHONS.index(self.minimum) :]


class NoRuntime(Model):
    """The agent is a program of its own."""

    kind: Literal["none"]


Runtime = Annotated[NodeRuntime | PythonRuntime | NoRuntime, Field(discriminator="kind")]


class Service(Model):
    """How the agent runs on a host."""

    name: Name | None = Field(default=None, description="the unit's name; else the agent's")
    exec: Argv = Field(
        description="the command line; {node}, {python}, {bin}, {current} and {home} are replaced"
    )
    user: User | None = Field(
        default=None, description="a system user to create; else the user who installs"
    )
    working_directory: str = Field(default="{home}", description="where the agent starts")
    environment: dict[Variable, str] = Field(
        default={}, description="variables for every host; {home} and {current} are replaced"
    )
    required: list[Variable] = Field(
        default=[], description="variables that each host must be given"
    )
    secret: list[Variable] = Field(
        default=[], description="variables whose values nobody may see, required or not"
    )
    credentials: Literal["env", "credentials", "both"] = Field(
        default="both",
        description="where secrets go: .env, files that systemd hands over, or both",
    )
    restart_delay: int = Field(default=10, ge=0, le=3600, description="seconds between restarts")
    start_limit_burst: int = Field(
        default=5, ge=1, le=1000, description="how many starts within start_limit_interval"
    )
    start_limit_interval: int = Field(
        default=10, ge=0, le=86400, description="seconds; after more starts systemd gives up"
    )
    memory_limit: Memory | None = Field(default=None, description="such as 512M or 1G")
    tasks_limit: int | None = Field(
        default=None, ge=1, le=1_000_000, description="how many processes and threads"
    )
    managers: list[Manager] = Field(
        default=["systemd", "direct"], min_length=1, description="what may run it on a host"
    )
    sandbox: Sandbox = Sandbox()

    @field_validator("exec", "working_directory")
    @classmethod
    def _known_placeholders(cls, value: str | list[str]) -> str | list[str]:
        for word in [value] if isinstance(value, str) else value:
            for name in PLACEHOLDER.findall(word):
                if name not in PLACEHOLDERS:
                    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                    raise ValueError(f"one of {known} (found {{{name}}})")
        return value

    @field_validator("exec")
    @classmethod
    def _absolute_program(cls, value: list[str]) -> list[str]:
        if not value[0].startswith(("/", "{")):
            raise ValueError(f"an absolute path or a placeholder as the program, not {value[0]!r}")
        return value

    @field_validator("exec", "working_directory", "environment")
    @classmethod
    def _no_null_bytes(cls, value: object) -> object:
        if "\\x00" in repr(value):
            raise ValueError("text without NUL bytes")
        return value


class Controller(Model):
    """Where the agent's controller tells which heartbeats it has seen."""

    url: str = Field(
        pattern=r"^(https?://|\$\{)",
        description="the address; ${NAME} stands for a variable of the service",
    )
    token: Variable | None = Field(
        default=None, description="the variable whose value is sent as bearer token"
    )
    beats: int = Field(
        default=3, ge=1, le=100, description="how many it must have seen of a version on trial"
    )
    patience: int = Field(
        default=300, ge=0, le=86_400, description="seconds to wait for one that can't be asked"
    )


class Health(Model):
    """When the agent counts as healthy: at most one of http, tcp and command, or notify alone."""

    http: Url | None = Field(default=None, description="a URL that answers 200 to 299")
    tcp: Address | None = Field(default=None, description="HOST:PORT that takes a connection")
    command: Argv | None = Field(default=None, description="a command that exits with 0")
    notify: bool = Field(default=False, description="it tells systemd when it is ready")
    watchdog: int | None = Field(
        default=None, ge=1, le=3600, description="seconds between two signs of life to systemd"
    )
    timeout: int = Field(default=60, ge=1, le=3600, description="seconds until it must hold")
    interval: float = Field(default=1.0, ge=0.1, le=60, description="seconds between two tries")
    contains: str | None = Field(
        default=None, min_length=1, description="what an http answer must hold, such as {version}"
    )
    watch: int = Field(
        default=60, ge=0, le=86_400, description="seconds that a version on trial must be healthy"
    )
    restarts: int = Field(
        default=1, ge=0, le=100, description="how often it may be restarted while on trial"
    )
    controller: Controller | None = Field(
        default=None, description="what must have heard from a version on trial"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Health:
        gates = sum(gate is not None for gate in (self.http, self.tcp, self.command))
        if gates > 1 or (gates == 0 and not self.notify):
            raise ValueError("exactly one of http, tcp and command, or notify = true")
        if self.watchdog is not None and not self.notify:
            raise ValueError("notify = true with a watchdog")
        if self.contains is not None and self.http is None:
            raise ValueError("contains goes with http alone")
        return self


class Hooks(Model):
    """Commands of the release's own, run when a host goes from one version to another."""

    before_switch: list[str] = Field(
        default=[], description="runs while the old version still does; its failure stops all"
    )
    after_commit: list[str] = Field(default=[], description="runs when the new version stays")
    timeout: int = Field(default=60, ge=1, le=3600, description="seconds that each may take")


class AgentSpec(Model):
    """One agent: what it is made of, how it runs, and when it is healthy."""

    name: Name = Field(description="the agent's name, in every file's and URL's name")
    title: str = Field(description="what a person calls it")
    source: str = Field(description="npm:PACKAGE@VERSION, pypi:PACKAGE==VERSION, or a folder")
    version: Version | None = Field(
        default=None, description="the release's version; else the version in the source"
    )
    platforms: list[Platform] = Field(
        default=["linux-x64", "linux-arm64"], min_length=1, description="where it can run"
    )
    build: Build = Build()
    runtime: Runtime
    service: Service
    health: Health | None = None
    hooks: Hooks = Hooks()

    @field_validator("name")
    @classmethod
    def _name_of_its_own(cls, value: str) -> str:
        # Each agent signs for the files NAME-v[0-9]*: none of these may be another's.
        if value in RESERVED or re.search(r"-v[0-9]", value):
            raise ValueError(
                f"a name without -v and a digit in it, and none of {', '.join(RESERVED)}"
            )
        return value

    @field_validator("source")
    @classmethod
    def _package_and_version(cls, value: str) -> str:
        if value.startswith("npm:") and not NPM_SOURCE.match(value):
            raise ValueError("npm:PACKAGE@VERSION, as in npm:verdaccio@6.10.4")
        if value.startswith("pypi:") and not PYPI_SOURCE.match(value):
            raise ValueError("pypi:PACKAGE==VERSION, as in pypi:glances[web]==4.5.8")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> AgentSpec:
        kinds = {"npm": "node", "pypi": "python"}
        wanted = kinds.get(self.source.partition(":")[0])
        if wanted and wanted != self.runtime.kind:
            raise ValueError(f'runtime.kind = "{wanted}" for the source {self.source}')
        folder_of_python = self.runtime.kind == "python" and wanted is None
        build = self.build
        if (build.extras or build.local or build.without) and not folder_of_python:
            raise ValueError("build.extras, local and without with a folder in Python alone")
        if self.service.user and "pm2" in self.service.managers:
            raise ValueError("no service.user together with pm2, which runs as who installs")
        others = sorted({*self.service.managers} - {*LOADERS})
        if self.service.credentials == "credentials" and others:
            raise ValueError(
                'service.managers of systemd alone with credentials = "credentials", '
                f"since {' and '.join(others)} can't hand them over"
            )
        if not self.service.sandbox.network and self.health and not self.health.command:
            raise ValueError("health.command with sandbox.network = false: no port is reached")
        if self.version is None and self.source_version is None:
            raise ValueError("a version, since the source is a folder")
        return self

    @property
    def source_version(self) -> str | None:
        """The version that the source names, for an npm or PyPI package."""
        match = NPM_SOURCE.match(self.source) or PYPI_SOURCE.match(self.source)
        return match["version"] if match else None

    @property
    def release_version(self) -> str:
        """The version that the release is published as."""
        version = self.version or self.source_version
        if version is None:
            raise ValueError("validated: one of the two is set")
        return version

    @property
    def service_name(self) -> str:
        """The name of the unit and of the folder in /opt."""
        return self.service.name or self.name
