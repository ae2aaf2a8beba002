"""Builds the orders that the door on a host takes, from the variables of an inventory.

The variables are those of the Ansible role `agent`, so that Fabric and Ansible, given the same
inventory, do the same on a host (docs/ansible.md).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit import engine
from toolkit.errors import ConfigError
from toolkit.install_script import Choices, built_tarballs, readable
from toolkit.spec import AgentSpec

Variables = Mapping[str, Any]
SCHEMA = 1
PREFIX = "agent_"
# Order fields that are a variable of that name; the others are put together from several.
_PLAIN = (
    "name", "service", "home", "user", "process_manager", "version", "channel", "store",
    "store_header", "store_header_over_http", "watch", "keep", "again", "keep_data",
)  # fmt: skip
_TEMPLATE = "{{"


def offering(spec: AgentSpec, dist: Path, choices: Choices) -> dict[str, Any]:
    """Give the variables that say what hosts install of `spec`, where from, and what they trust.

    With a root in `choices`, hosts verify what the store offers; without one, the release that was
    built into `dist` is pinned. Raises ConfigError, NotFoundError or IntegrityError.
    """
    agentctl = engine.build()
    found: dict[str, Any] = {"agent_name": spec.name}
    if spec.service_name != spec.name:
        found["agent_service"] = spec.service_name
    found["agent_store"] = choices.url.rstrip("/")
    if choices.root is not None:
        found |= {"agent_channel": choices.channel} if choices.channel else _version(spec)
        found["agent_root"] = readable(choices.root) + "\n"
    else:
        found |= _version(spec) | {"agent_tarballs": list(_rows(spec, dist, choices))}
    found["agent_agentctl"] = {"name": agentctl.name, "sha256": agentctl.sha256}
    return found


def _version(spec: AgentSpec) -> dict[str, str]:
    return {"agent_version": spec.release_version}


def _rows(spec: AgentSpec, dist: Path, choices: Choices) -> Iterator[list[str]]:
    if choices.channel:
        raise ConfigError(
            f"hosts that follow the channel {choices.channel} need the store's root metadata",
            why="a channel is a pointer that moves, and without signatures anybody may move it",
            hint="name the root by --root, or leave --channel out to pin this version",
        )
    for each in built_tarballs(spec, dist):
        yield [each.platform or "any", each.file, each.sha256]


@dataclass(frozen=True)
class Task:
    """What is wanted of a host.

    `verb` is install, upgrade, configure, rollback, uninstall, status, history, logs, …; with
    `check`, nothing is changed, and the answer says what would be. `version` stands in place of
    what the variables say, and a rollback takes it from here alone. `arguments` are more words for
    agentctl, of the verbs that only tell something. `agentctl` are its bytes, for a host that
    can't fetch it from the store.
    """

    verb: str
    check: bool = False
    version: str | None = None
    arguments: Sequence[str] = ()
    agentctl: bytes | None = field(default=None, repr=False)


def build(task: Task, variables: Variables) -> dict[str, Any]:
    """Give the order for `task` on the host with these variables, ready for JSON.

    The variables are what `offering` gives, and the inventory's over it. An upgrade of a release
    that is pinned by its hash is an installation of it. Raises ConfigError where a variable is
    missing or is a template, which Ansible alone fills in.
    """
    verb = task.verb
    known = {name: value for name, value in variables.items() if _is_given(name, value)}
    _no_templates(known)
    if verb == "upgrade" and not known.get("agent_root"):
        verb = "install"
    for name in ("agent_name", *(("agent_store", "agent_agentctl") if verb == "install" else ())):
        if name not in known:
            raise ConfigError(
                f"the variable {name} is not set",
                why=f"{verb} can't do without it",
                hint="put what `toolkit render ansible-vars NAME` prints into group_vars",
            )
    order: dict[str, Any] = {
        name: known[PREFIX + name] for name in _PLAIN if PREFIX + name in known
    }
    order["settings"] = {**known.get("agent_environment", {}), **known.get("agent_secrets", {})}
    order |= {"schema": SCHEMA, "verb": verb, "check": task.check}
    order["arguments"] = list(task.arguments)
    if verb == "rollback":
        order.pop("version", None)
    if task.version is not None:
        order["version"] = task.version
    order["trust"] = _trust(known)
    order |= _agentctl(known, task.agentctl)
    return order


def _is_given(name: str, value: object) -> bool:
    return name.startswith(PREFIX) and value is not None and value != ""


def _trust(known: Variables) -> dict[str, Any]:
    root = known.get("agent_root")
    if root is None:
        return {"tarballs": known.get("agent_tarballs", [])}
    return {"root": root if isinstance(root, str) else json.dumps(root)}


def _agentctl(known: Variables, data: bytes | None) -> dict[str, Any]:
    if "agent_agentctl" not in known:
        return {}
    wanted = {name: known["agent_agentctl"][name] for name in ("name", "sha256")}
    if data is not None:
        wanted["data"] = base64.b64encode(data).decode("ascii")
    return {"agentctl": wanted}


def _no_templates(known: Variables) -> None:
    for name, value in known.items():
        if _TEMPLATE in json.dumps(value, default=str):
            raise ConfigError(
                f"the variable {name} holds a template",
                why="Ansible alone fills in templates, when a play runs",
                hint="write the value itself, or use the playbooks for these hosts",
            )


def as_yaml(variables: Variables, head: str) -> str:
    """Write variables as YAML, with the comment `head` before them."""
    lines = ["---", *(f"# {line}".rstrip() for line in head.splitlines())]
    for name, value in variables.items():
        if isinstance(value, str) and value.endswith("\n"):
            lines += [f"{name}: |", *(f"  {line}" for line in value.splitlines())]
        elif isinstance(value, Mapping):
            lines += [f"{name}:", *(f"  {key}: {json.dumps(each)}" for key, each in value.items())]
        elif isinstance(value, list):
            lines += [f"{name}:", *(f"  - {json.dumps(each)}" for each in value)]
        else:
            lines.append(f"{name}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"
