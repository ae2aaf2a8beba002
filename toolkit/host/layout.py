"""Where everything of one service stands on a host."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from toolkit.host.errors import Unsupported

MARKER = ".complete"
MACHINE_ID = Path("/etc/machine-id")
PLATFORMS = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}


@dataclass(frozen=True)
class Layout:
    """The folder of a service, such as /opt/xora-agent, and what stands in it."""

    home: Path

    @property
    def releases(self) -> Path:
        """The folder that holds a folder a version."""
        return self.home / "releases"

    @property
    def incoming(self) -> Path:
        """Where a tarball stands until it is unpacked."""
        return self.home / "incoming"

    @property
    def current(self) -> Path:
        """The link to the version that runs."""
        return self.home / "current"

    @property
    def env(self) -> Path:
        """The variables of this host, secrets among them."""
        return self.home / ".env"

    @property
    def credentials(self) -> Path:
        """The secrets that systemd hands to the service, a file each."""
        return self.home / "credentials"

    @property
    def logs(self) -> Path:
        """Log files, which outlive every version."""
        return self.home / "logs"

    @property
    def workspace(self) -> Path:
        """The agent's own files, which outlive every version."""
        return self.home / "workspace"

    @property
    def run(self) -> Path:
        """Process ids under the `direct` manager."""
        return self.home / "run"

    @property
    def state(self) -> Path:
        """What is installed, and what was tried."""
        return self.home / "state.json"

    @property
    def history(self) -> Path:
        """What happened, and why; a line an event."""
        return self.home / "history.jsonl"

    @property
    def trial(self) -> Path:
        """What is needed to go back, while a version is on trial."""
        return self.home / "trial"

    @property
    def trust(self) -> Path:
        """The store's metadata that was verified last, its trusted root among it."""
        return self.home / "trust"

    @property
    def ca(self) -> Path:
        """The certificate of the store's own CA, where there is one; public."""
        return self.home / "store-ca.pem"

    @property
    def store_header(self) -> Path:
        """The header of a private store, where it was given on standard input."""
        return self.home / "store-header"

    @property
    def lock(self) -> Path:
        """What one agentctl holds while it works."""
        return self.home / ".lock"

    @property
    def own(self) -> tuple[Path, ...]:
        """All that may be removed with the service; anything else is somebody else's.

        `agentctl` and the state come last: while they are there, an uninstallation that was
        cut off can be made again.
        """
        first = (self.current, self.releases, self.incoming, self.run, self.logs, self.workspace)
        managers = (self.home / "ecosystem.config.js", self.home / "pm2")
        own = (
            self.env,
            self.credentials,
            *managers,
            self.trial,
            self.trust,
            self.ca,
            self.store_header,
            self.history,
            self.lock,
        )
        return (*first, *own, self.agentctl, self.state)

    @property
    def agentctl(self) -> Path:
        """The engine that installed the service."""
        return self.home / "agentctl"

    def release(self, version: str) -> Path:
        """Give the folder of one version."""
        return self.releases / version

    def marker(self, version: str) -> Path:
        """Give the file that is written when the version is whole; it holds the tarball's hash."""
        return self.release(version) / MARKER

    def running_version(self) -> str | None:
        """Give the version that `current` points at, if it points anywhere."""
        try:
            return self.current.readlink().name
        except FileNotFoundError:
            return None

    def staged_sha256(self, version: str) -> str | None:
        """Give the hash of the tarball that `version` was unpacked from, if it is whole."""
        try:
            return self.marker(version).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None


def this_platform() -> str:
    """Name this machine as releases do; raises Unsupported where there are none for it."""
    machine = platform.machine()
    if machine not in PLATFORMS:
        raise Unsupported(
            f"there are no releases for {machine}",
            hint=f"use a host with one of {', '.join(PLATFORMS)}",
        )
    return PLATFORMS[machine]


def machine_id() -> str:
    """Give the name that systemd gave this machine; empty where it has none (machine-id(5))."""
    try:
        return MACHINE_ID.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
