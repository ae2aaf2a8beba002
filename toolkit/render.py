"""Renders every text that a release or a host needs, from templates/.

Nothing is written here: each function gives RenderedFile values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from toolkit import quoting
from toolkit.host.release import (
    ENV_EXAMPLE,
    PATH,
    UNITS,
    USER_UNITS,
    Controller,
    Health,
    Hooks,
    Release,
    Runtime,
    Service,
    default_home,
)
from toolkit.resources import data_folder
from toolkit.spec import AgentSpec, NodeRuntime, PythonRuntime
from toolkit.spec import Health as HealthSpec
from toolkit.units import USER_HOME, pm2_app, system_unit, user_unit


@dataclass(frozen=True)
class RenderedFile:
    """A text to write: `path` relative to where it belongs, `mode` as in chmod."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True)
class Tarball:
    """A published tarball: its file name in the store and its SHA-256 in hex.

    A signed `address` lets anybody fetch it, so it is a secret.
    """

    platform: str | None
    file: str
    sha256: str
    address: str = field(default="", repr=False)


@dataclass(frozen=True)
class InstallScript:
    """What an install script is rendered from.

    `store` is the public URL of the folder that holds the tarballs and `agentctl`;
    `settings` are variables for this one host, `label` and `generated` free text. With a `root`,
    the JSON of a store's root metadata, no tarball is pinned, and a `channel` may stand for the
    version. With `until`, free text, each tarball and agentctl have a signed address.
    """

    store: str
    tarballs: tuple[Tarball, ...]
    agentctl: str
    agentctl_sha256: str
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    label: str = ""
    generated: str = ""
    root: str = ""
    channel: str = ""
    agentctl_address: str = field(default="", repr=False)
    until: str = ""


def describe(spec: AgentSpec, platform: str | None) -> Release:
    """Give what the release of `spec` for `platform` says of itself."""
    service = spec.service
    return Release(
        name=spec.name,
        title=quoting.one_line(spec.title),
        version=spec.release_version,
        platform=platform,
        runtime=_runtime(spec),
        service=Service(
            name=spec.service_name,
            exec=tuple(service.exec),
            user=service.user,
            working_directory=service.working_directory,
            environment=dict(service.environment),
            required=tuple(service.required),
            secret=tuple(service.secret),
            restart_delay=service.restart_delay,
            memory_limit=service.memory_limit,
            managers=tuple(service.managers),
            credentials=service.credentials,
        ),
        health=_health(spec.health),
        hooks=Hooks(
            tuple(spec.hooks.before_switch), tuple(spec.hooks.after_commit), spec.hooks.timeout
        ),
    )


def _runtime(spec: AgentSpec) -> Runtime:
    match spec.runtime:
        case NodeRuntime(version=version, bundled=bundled, pm2=pm2):
            return Runtime("node", version, bundled, pm2)
        case PythonRuntime(minimum=minimum):
            return Runtime("python", minimum, bundled=False)
        case _:
            return Runtime("none", "", bundled=False)


def _health(health: HealthSpec | None) -> Health | None:
    if health is None:
        return None
    gates = {
        "http": [health.http] if health.http else None,
        "tcp": [health.tcp] if health.tcp else None,
        "command": health.command,
    }
    found = ((kind, target) for kind, target in gates.items() if target)
    kind, target = next(found, ("notify", []))
    return Health(
        kind,
        tuple(target),
        health.timeout,
        health.interval,
        contains=health.contains,
        watch=health.watch,
        restarts=health.restarts,
        notify=health.notify,
        controller=Controller(**health.controller.model_dump()) if health.controller else None,
    )


def release_files(spec: AgentSpec, platform: str | None) -> Iterator[RenderedFile]:
    """Give the files that `toolkit release` adds to the agent's own."""
    release = describe(spec, platform)
    yield RenderedFile(PATH, release.to_json())
    yield env_file(spec)
    if "systemd" in spec.service.managers:
        yield systemd_unit(spec)
    if "systemd-user" in spec.service.managers:
        yield systemd_user_unit(spec)
    if "pm2" in spec.service.managers:
        yield pm2_ecosystem(spec)


def systemd_unit(spec: AgentSpec) -> RenderedFile:
    """Render the unit; what one host adds to it goes into a drop-in."""
    values = system_unit(spec, describe(spec, None))
    text = _template("systemd/service.j2").render(values)
    return RenderedFile(f"{UNITS}/{spec.service_name}.service", text)


def systemd_user_unit(spec: AgentSpec) -> RenderedFile:
    """Render the unit for a user's own systemd; `%h` in it is the user's home."""
    values = user_unit(spec, describe(spec, None))
    text = _template("systemd/service.j2").render(values).replace(USER_HOME, "%h")
    return RenderedFile(f"{USER_UNITS}/{spec.service_name}.service", text)


def pm2_ecosystem(spec: AgentSpec) -> RenderedFile:
    """Render ecosystem.config.js, a superset of the one in the documents."""
    release = describe(spec, None)
    home = default_home(spec.service_name)
    text = _template("pm2/ecosystem.config.js.j2").render(
        title=release.title, app=pm2_app(release, home)
    )
    return RenderedFile(f"{UNITS}/ecosystem.config.js", text)


def env_file(spec: AgentSpec) -> RenderedFile:
    """Render .env.example: every variable that a host may set, none with a value."""
    secret = set(spec.service.secret)
    text = _template("env/env.j2").render(
        title=spec.title,
        required=[(name, name in secret) for name in spec.service.required],
        optional=[name for name in spec.service.secret if name not in spec.service.required],
        defaults=spec.service.environment,
    )
    return RenderedFile(ENV_EXAMPLE, text)


def install_script(spec: AgentSpec, script: InstallScript) -> RenderedFile:
    """Render the script that checks a host, gets agentctl and hands over to it."""
    service = spec.service
    text = _template("install/install.sh.j2").render(
        spec=spec,
        script=script,
        required=[name for name in service.required if name not in service.environment],
        home=default_home(spec.service_name),
        bundled_pm2=isinstance(spec.runtime, NodeRuntime) and spec.runtime.pm2 is not None,
    )
    # Settings may hold secrets, and signed addresses are some: only the owner may read them.
    mode = 0o700 if script.settings or script.until else 0o755
    return RenderedFile(f"install-{spec.name}.sh", text, mode)


def container_file(base: str) -> RenderedFile:
    """Render the Containerfile of a throwaway host, from the image `base`."""
    return RenderedFile("Containerfile", _template("container/Containerfile.j2").render(base=base))


def agent_file(guess: object, node_version: str) -> str:
    """Render a first release/<agent>.toml from what a folder says of its agent."""
    return _template("init/agent.toml.j2").render(guess=guess, node_version=node_version)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(data_folder("templates")),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML; each value is quoted by a filter below
        comment_start_string="{%#",  # "{#" is a length in bash
        comment_end_string="#%}",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(
        comment=quoting.one_line,
        sh=quoting.shell_word,
        unit_text=quoting.unit_text,
        unit_word=quoting.unit_word,
        unit_argument=quoting.unit_argument,
        js=quoting.javascript,
        toml=quoting.toml,
    )
    return templates


def _template(name: str) -> Template:
    return _templates().get_template(name)
