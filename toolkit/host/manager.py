"""The port to a process manager: systemd, PM2 or agentctl's own supervisor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from toolkit.host.accounts import Account
from toolkit.host.layout import Layout
from toolkit.host.release import Release


@dataclass(frozen=True)
class Installation:
    """A release in its place: what runs, where it stands, and as whom."""

    release: Release
    layout: Layout
    account: Account

    @property
    def service(self) -> str:
        """The service's name."""
        return self.release.service.name


@dataclass(frozen=True)
class Process:
    """The service's main process, as its manager sees it.

    `restarts` counts those that the manager did by itself; `detail` is its own word. `stopped`
    says that somebody stopped it: it did not end by itself.
    """

    running: bool
    pid: int | None
    restarts: int
    detail: str
    stopped: bool = False


class Manager(Protocol):
    """What every process manager can do for one service."""

    name: str

    def require(self, installation: Installation) -> None:
        """Raise Unsupported or NotPermitted where this manager can't run the service here."""

    def configured(self, installation: Installation) -> bool:
        """Say whether `configure` would change nothing."""

    def foresee(self, installation: Installation) -> Mapping[str, Any]:
        """Give what `remove` must know, before `configure` makes anything.

        A key that begins with `made_` says that `configure` is about to make that thing.
        """

    def configure(self, installation: Installation) -> None:
        """Tell the manager of the service."""

    def start(self, installation: Installation) -> None:
        """Start the service, or start it anew with what is now configured."""

    def process(self, installation: Installation) -> Process:
        """Look at the service's main process."""

    def put_aside(self, installation: Installation) -> str | None:
        """Say how somebody has put the service aside, stopped or disabled; None where nobody has.

        A service that failed, or waits to be started, was not put aside.
        """

    def logs(self, installation: Installation, lines: int) -> str:
        """Give the last lines that the service printed."""

    def remove(self, layout: Layout, service: str, details: Mapping[str, Any]) -> None:
        """Stop the service and forget it; that it is half configured is no fault."""
