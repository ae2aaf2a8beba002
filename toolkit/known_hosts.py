"""Reads known_hosts files; what is not in them is refused, never learned."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from paramiko import SSHException
from paramiko.hostkeys import HostKeyEntry, HostKeys, InvalidHostKey

from toolkit.errors import NotFoundError

USER = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
SYSTEM = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_SSH = 22


class KnownHosts:
    """The keys of several known_hosts files. A key that a file says is revoked is no key.

    Lines of certificate authorities are left out: Paramiko knows no certificates of hosts.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.files = tuple(files)
        lines = [line for file in self.files for line in _lines(file)]
        revoked = {line.split()[3] for line in lines if line.startswith("@revoked ")}
        self._keys = HostKeys()
        for line in lines:
            words = line.split()
            if words[0].startswith(("@", "#")) or len(words) < 3 or words[2] in revoked:
                continue
            try:
                entry = HostKeyEntry.from_line(" ".join(words[:3]))
            except (InvalidHostKey, SSHException, ValueError):
                continue
            if entry is not None:
                self._keys._entries.append(entry)

    def of(self, name: str, port: int) -> dict[str, Any]:
        """Give the keys of a host by their type, as its address and port name it."""
        found = self._keys.lookup(server_name(name, port)) or self._keys.lookup(name) or {}
        return {kind: found[kind] for kind in found}


def server_name(name: str, port: int) -> str:
    """Give the name that a known_hosts file has for a host at `port` (sshd(8))."""
    return name if port == _SSH else f"[{name}]:{port}"


def fingerprint(key: Any) -> str:
    """Give a key's fingerprint as ssh-keygen prints it."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def named(file: Path) -> Path:
    """Give `file` that a person named; raises NotFoundError where there is none."""
    if not file.is_file():
        raise NotFoundError(
            f"there is no file {file}",
            why="the keys of hosts should be in it",
            hint="fill it over a network that you trust: ssh-keyscan HOST >> FILE, then compare "
            "the fingerprints with those that the hosts themselves show",
        )
    return file


def _lines(file: Path) -> list[str]:
    try:
        text = file.expanduser().read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]
