"""What the files for process managers say of a service: the values that templates set down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toolkit.host.credentials import ENV
from toolkit.host.release import (
    Release,
    command_line,
    default_home,
    environment,
    resolve,
    search_path,
    user_home,
)
from toolkit.spec import AgentSpec

# Stands for the user's home until all is quoted; then it becomes systemd's own word for it.
USER_HOME = "/@user-home@"


def system_unit(spec: AgentSpec, release: Release) -> Mapping[str, object]:
    """Give the values of the unit that the system's systemd reads."""
    home, sandbox = default_home(release.service.name), spec.service.sandbox
    own = {}
    if sandbox.enabled and sandbox.home == "none":
        # Its user's own folder is out of sight; what programs keep there goes to the workspace.
        own["HOME"] = f"{home}/workspace"
    folders = (f"{home}/logs", f"{home}/workspace")
    return {
        **_unit(spec, release, home, own),
        "system": True,
        "sandbox": sandbox.system(jit=release.runtime.kind == "node", folders=folders),
    }


def user_unit(spec: AgentSpec, release: Release) -> Mapping[str, object]:
    """Give the values of the unit that a user's own systemd reads.

    That systemd has no root: what needs it, and what needs a namespace, is left out.
    """
    sandbox = spec.service.sandbox.anywhere(jit=release.runtime.kind == "node")
    home = user_home(USER_HOME, release.service.name)
    return {**_unit(spec, release, home, {}), "system": False, "sandbox": sandbox}


def _unit(
    spec: AgentSpec, release: Release, home: str, own: Mapping[str, str]
) -> Mapping[str, object]:
    variables = {"PATH": search_path(release, home), **own, **environment(release, home)}
    return {
        "release": release,
        "service": spec.service,
        "name": release.service.name,
        "home": home,
        "command": command_line(release, home),
        "working_directory": resolve(release.service.working_directory, release, home),
        "environment": variables,
        "credentials": () if spec.service.credentials == ENV else spec.service.secret,
        "starting": tuple(_starting(spec)),
    }


def _starting(spec: AgentSpec) -> Iterator[tuple[str, object]]:
    """Say when systemd counts the service as started, and as hung (sd_notify(3))."""
    if spec.health is None or not spec.health.notify:
        yield "Type", "simple"
        return
    yield "Type", "notify"
    yield "NotifyAccess", "main"
    yield "TimeoutStartSec", spec.health.timeout
    if spec.health.watchdog is not None:
        yield "WatchdogSec", spec.health.watchdog


def pm2_app(release: Release, home: str) -> dict[str, object]:
    """Give the app of ecosystem.config.js, a superset of the one in the documents."""
    service = release.service
    app: dict[str, object] = {
        "name": service.name,
        **_pm2_command(release, home),
        "cwd": resolve(service.working_directory, release, home),
        "instances": 1,
        "exec_mode": "fork",
        "autorestart": True,
        "watch": False,
        "restart_delay": service.restart_delay * 1000,
        "error_file": f"{home}/logs/pm2-error.log",
        "out_file": f"{home}/logs/pm2-out.log",
        # Without it, PM2 puts the instance's number into the names of both files.
        "merge_logs": True,
        "log_date_format": "YYYY-MM-DD HH:mm:ss Z",
        "env": {"PATH": search_path(release, home), **environment(release, home)},
    }
    if service.memory_limit:
        app["max_memory_restart"] = service.memory_limit
    return app


def _pm2_command(release: Release, home: str) -> dict[str, object]:
    """Say what PM2 runs.

    PM2 writes an app's environment into its dump, which others may read. So the values of .env
    never pass through PM2: Node.js reads the file itself, others get it from agentctl.
    """
    command = command_line(release, home)
    if release.service.exec[0] == "{node}":
        return {
            "script": command[1],
            "args": list(command[2:]),
            "interpreter": command[0],
            "node_args": [f"--env-file-if-exists={home}/.env"],
        }
    return {
        "script": f"{home}/agentctl",
        "args": ["exec", "--", *command],
        "interpreter": "none",
    }
