"""Which hosts a rollout is about and how they are reached, in words that a ledger can keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.hosts import Host
from toolkit.inventory import Reading, read
from toolkit.reaching import Reach
from toolkit.secret import Secret


@dataclass(frozen=True)
class Where:
    """What the call says of its hosts; all paths are absolute, so that any folder will do later."""

    inventory: tuple[str, ...] = ()
    limit: str | None = None
    known_hosts: str | None = None
    ssh_config: str | None = None
    vaults: tuple[str, ...] = ()

    def hosts(self, password: Secret | None) -> tuple[Host, ...]:
        """Read the inventory; `password` is for sudo, where the inventory has none."""
        reading = Reading(tuple(Path(file) for file in self.vaults), password)
        return read(self.inventory, self.limit, reading)

    @property
    def reach(self) -> Reach:
        """How the hosts are reached."""
        known, config = self.known_hosts, self.ssh_config
        return Reach(Path(known) if known else None, Path(config) if config else None)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Where:
        """Read what a ledger kept."""
        return cls(
            inventory=tuple(data["inventory"]),
            limit=data["limit"],
            known_hosts=data["known_hosts"],
            ssh_config=data["ssh_config"],
            vaults=tuple(data["vaults"]),
        )


def absolute(source: str) -> str:
    """Make the name of an inventory one that any folder can use; a list of hosts stays."""
    return source if "," in source else str(Path(source).absolute())
