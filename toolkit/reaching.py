"""How hosts are reached, and what kept one from answering: words that need no ssh library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True)
class Reach:
    """How hosts are reached, over what the inventory says of each.

    `known_hosts` and `ssh_config` are files to read in place of the usual ones; `connect` is how
    many seconds a host may take to take a connection, `login` how many each step of the login may
    take then: a dead host takes none, and a busy one needs its time.
    """

    known_hosts: Path | None = None
    ssh_config: Path | None = None
    connect: float = 10
    login: float = 60


class Kind(StrEnum):
    """What kept a host from answering."""

    UNREACHABLE = "unreachable"
    HOST_KEY = "host_key"
    AUTH = "auth"
    TIMEOUT = "timeout"
    CUT = "cut"
    NO_PYTHON = "no_python"
    NO_SUDO = "no_sudo"
    BROKEN = "broken"
    CONTROLLER = "controller"


@dataclass(frozen=True)
class Failure:
    """Why there is no answer, and what to do about it."""

    kind: Kind
    why: str
    hint: str
