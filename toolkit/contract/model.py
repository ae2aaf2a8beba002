"""The words of the contract: what is given, what is expected, a clause, a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.errors import ToolkitError
from toolkit.host.credentials import CREDENTIALS
from toolkit.host.release import Release, default_home

INSTALLED = "installed"  # the one check where there is nothing to check


@dataclass(frozen=True)
class Given:
    """What the caller says of an installation; None where the host's state.json is to say it.

    `home` is the folder of the installation, by default /opt/SERVICE.
    """

    home: str | None = None
    version: str | None = None
    manager: str | None = None


@dataclass(frozen=True)
class Expected:
    """What must hold: the release, where it stands, and who owns and runs it."""

    release: Release
    home: str
    version: str | None
    manager: str | None
    user: str | None

    @property
    def service(self) -> str:
        """The service's name."""
        return self.release.service.name

    @property
    def folder(self) -> str:
        """The version's folder, relative to the home."""
        return f"releases/{self.version or '?'}"

    @property
    def release_owners(self) -> tuple[str, ...]:
        """Who may own the version: root, and in a private folder whoever installed it."""
        private = self.home != default_home(self.service)
        return tuple(dict.fromkeys(["root", self.user] if private and self.user else ["root"]))


@dataclass(frozen=True)
class Check:
    """One clause of the contract: what was found, and what is expected."""

    name: str
    holds: bool
    found: str
    expected: str


@dataclass(frozen=True)
class Verdict:
    """All that was checked on one host; `error` says why it could not be looked at."""

    host: str
    service: str
    version: str | None = None
    checks: tuple[Check, ...] = ()
    error: ToolkitError | None = None

    @property
    def holds(self) -> bool:
        """Whether the host was seen and every clause holds."""
        return self.error is None and not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The clauses that do not hold."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def installed(self) -> bool:
        """Whether there is anything of the service on the host, as far as could be seen."""
        return [check.name for check in self.failed] != [INSTALLED]


def required_variables(release: Release) -> tuple[str, ...]:
    """Name the variables that .env must set: the release does not, and they are no credentials."""
    service = release.service
    hidden = service.secret if service.credentials == CREDENTIALS else ()
    known = {name for name, value in service.environment.items() if value}.union(hidden)
    return tuple(name for name in service.required if name not in known)


def unknown(name: str, expected: str, problem: str) -> Check:
    """Give the check of something that could not be seen: it does not hold."""
    return Check(name, False, f"unknown: {problem}", expected)
