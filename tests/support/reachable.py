"""What can be done with a host under test, be it a container or a machine of its own."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Reachable(Protocol):
    """A host whose commands can be run and whose power can be cut; see `Host` for each method."""

    @property
    def known_hosts(self) -> Path:
        """The file of its ssh key; the folder is for whoever works with the host."""

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "operator",
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return its output."""

    def spawn(
        self, argv: Sequence[str], *, user: str = "operator", env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start a command and do not wait."""

    def put(self, src: Path, dest: str, *, mode: int = 0o644, owner: str = "operator") -> None:
        """Copy a file to the host."""

    def read(self, path: str) -> str:
        """Return the text of a file, read as root."""

    def kill(self) -> None:
        """Cut the power."""

    def start(self) -> None:
        """Boot the host."""
