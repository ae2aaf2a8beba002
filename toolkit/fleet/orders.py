"""The orders of a rollout: what the project says, the inventory over it, the call over both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import ConfigError
from toolkit.hosts import OWN, Host
from toolkit.order import Task
from toolkit.order import build as build_order

Variables = Mapping[str, Any]
_WHICH = ("agent_version", "agent_channel")


@dataclass(frozen=True)
class Wish:
    """What the call says over what the inventory does: what to run, and how to try it."""

    version: str | None = None
    channel: str | None = None
    watch: float | None = None
    again: bool = False

    def variables(self, known: Variables) -> dict[str, Any]:
        """Give the variables that are meant, out of those that are known."""
        found = dict(known)
        if self.version or self.channel:
            found = {name: value for name, value in found.items() if name not in _WHICH}
        said = {
            "agent_version": self.version,
            "agent_channel": self.channel,
            "agent_watch": self.watch,
            "agent_again": self.again or None,
        }
        return found | {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Orders:
    """Builds the orders of a rollout of the agent `name`; `offered` is what the project says."""

    name: str
    verb: str
    wish: Wish = Wish()
    offered: Variables = field(default_factory=dict)

    def variables(self, host: Host) -> dict[str, Any]:
        """Give the variables of a host; raises ConfigError where they are of another agent."""
        own = {name: value for name, value in host.variables.items() if name.startswith(OWN)}
        said = own.get("agent_name", self.name)
        if said != self.name:
            raise ConfigError(
                f"the inventory says that {host.name} runs {said}",
                why=f"its agent_name is {said}, and this is a rollout of {self.name}",
                hint="leave it out with --limit",
            )
        known = {"agent_name": self.name, **self.offered, **own}
        _refuse_others(self.name, host, known.get("agent_tarballs") or ())
        return self.wish.variables(known)

    def check(self, target: str | None) -> Callable[[Host], bytes]:
        """Ask what would change."""
        return lambda host: self._order(host, target, check=True)

    def visit(self, target: str | None) -> Callable[[Host], bytes]:
        """Do it."""
        return lambda host: self._order(host, target, check=False)

    def status(self, host: Host) -> bytes:
        """Ask how the service stands."""
        return _bytes(build_order(Task("status"), self.variables(host)))

    def glance(self, host: Host) -> bytes:
        """Ask the same in the words of the probe, which needs less of the host than agentctl."""
        known = self.variables(host)
        said = {
            "service": known.get("agent_service") or self.name,
            "home": known.get("agent_home"),
            "user": known.get("agent_user"),
        }
        named = {key: str(value) for key, value in said.items() if value}
        return _bytes({"do": "status", **named}) + b"\n"

    def undo(self, before: str) -> Callable[[Host], bytes]:
        """Go back to the version `before`."""
        task = Task("rollback", version=before)
        return lambda host: _bytes(build_order(task, self.variables(host)))

    def version(self, host: Host, target: str | None) -> str | None:
        """Say which version is to be named to a host, in place of what the variables say.

        What a first look found is what all attempts mean: without a version, a second call of
        `rollback` would undo the first, and a channel may have moved on. An installation keeps its
        channel, which is a part of what is installed.
        """
        if self.verb == "install" and "agent_version" not in self.variables(host):
            return None
        return target or (self.wish.version if self.verb == "rollback" else None)

    def _order(self, host: Host, target: str | None, *, check: bool) -> bytes:
        task = Task(self.verb, check=check, version=self.version(host, target))
        return _bytes(build_order(task, self.variables(host)))


def _refuse_others(name: str, host: Host, tarballs: Sequence[Sequence[Any]]) -> None:
    """Raise ConfigError where tarballs are offered, and none of them is a release of `name`."""
    files = [str(row[1]) for row in tarballs if len(row) > 1]
    if files and not any(file.startswith(f"{name}-v") for file in files):
        raise ConfigError(
            f"{host.name} is offered no release of {name}",
            why=f"agent_tarballs in the inventory names {files[0]}",
            hint="name the agent that it is of, or put what `toolkit render ansible-vars "
            f"{name}` prints into the inventory",
        )


def _bytes(order: Mapping[str, Any]) -> bytes:
    return json.dumps(order).encode()
