"""What a look at a host asks and what it finds: the words that probe, runner and contract share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter

Kind = Literal["file", "folder", "link", "other", "absent", "unknown"]


@dataclass(frozen=True)
class Question:
    """What to look at. `home` is the folder of the installation.

    `version`, `manager` and `user` are None where the host's state.json is to say them;
    `variables` are looked for in .env by name; `health` is (kind, target...) or empty. `deep` asks
    for what takes longer: every file of the release held against its manifest, and the system.
    """

    service: str
    home: str
    version: str | None
    manager: str | None
    user: str | None
    variables: tuple[str, ...]
    health: tuple[str, ...]
    bundled_pm2: tuple[str, ...]
    deep: bool = False

    def to_json(self) -> str:
        """Give the text that the probe reads."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class PathFact:
    """What lies at a path: `owner` by name, `mode` as in chmod, `changed` in seconds since 1970."""

    kind: Kind
    owner: str = ""
    mode: int = 0
    target: str = ""
    changed: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class TextFact:
    """The text of a file; None where there is none, or where `problem` says why not."""

    text: str | None
    problem: str = ""


@dataclass(frozen=True)
class TreeFact:
    """A release's files: how many, and which of them others than its owner may write."""

    files: int
    loose: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class DriftFact:
    """Which files are not as released, the first of each kind; `count` counts all of them."""

    files: int
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    count: int = 0
    problem: str = ""


@dataclass(frozen=True)
class SystemFact:
    """The host's system and kernel; `exposure` is systemd's score of the unit, 0 to 10 (worst)."""

    name: str
    kernel: str
    exposure: float | None = None
    exposure_word: str = ""


@dataclass(frozen=True)
class VariablesFact:
    """The names (never the values) of the variables that .env sets to something."""

    names: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True)
class UnitFact:
    """A systemd unit; `installed` and `released` are its text at `path` and in the release."""

    file: str
    enabled: str
    stale: bool
    installed: str | None
    released: str | None
    path: str = ""


@dataclass(frozen=True)
class ServiceFact:
    """What the process manager says; `pid` is 0 where there is no process.

    `status` is systemd's ActiveState, PM2's status, or alive/dead of a process id in a file;
    `restarts` is None where there is no count; `boot` says whether PM2's own unit, or
    a user's lingering, is enabled.
    """

    status: str
    pid: int = 0
    restarts: int | None = None
    boot: str = ""
    unit: UnitFact | None = None
    problem: str = ""


@dataclass(frozen=True)
class ProcessFact:
    """The main process; `started` in seconds since 1970.

    `paths` are the beginnings of those, relative to the home, that it was called with, runs,
    stands in or has mapped: releases/VERSION, current, workspace. `problem` says why the kernel
    did not show all of them.
    """

    user: str
    paths: tuple[str, ...]
    started: float
    problem: str = ""


@dataclass(frozen=True)
class HealthFact:
    """What the health gate answered to the host itself."""

    holds: bool
    found: str


@dataclass(frozen=True)
class HostFacts:
    """All that one look at a host finds.

    `login` is the user who looked, `now` the host's clock in seconds since 1970. Keys of `paths`
    are relative to the home, "." the home itself. `version`, `manager` and `user` are what the
    look went by, asked or read from state.json.
    """

    login: str
    now: float
    version: str | None
    manager: str | None
    user: str | None
    paths: Mapping[str, PathFact]
    state: TextFact
    tree: TreeFact | None = None
    variables: VariablesFact | None = None
    service: ServiceFact | None = None
    process: ProcessFact | None = None
    health: HealthFact | None = None
    drift: DriftFact | None = None
    system: SystemFact | None = None


_FACTS = TypeAdapter(HostFacts)


def parse_facts(text: str) -> HostFacts:
    """Read what the probe printed; raises ValueError where it is something else."""
    return _FACTS.validate_json(text)
