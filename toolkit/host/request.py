"""What the caller of agentctl wants, and how it hears of what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.host.fetch import Report, Source
from toolkit.host.forms import Form


@dataclass(frozen=True)
class Trying:
    """How a version is tried.

    `window` is how long in seconds it is watched, where not as the release says; `keep` is how
    many versions stay on the host. `unattended` says that nobody is there who wants it started.
    """

    window: float | None = None
    keep: int = 3
    unattended: bool = False


@dataclass(frozen=True)
class Request:
    """This version of this agent, run so.

    `source` is the tarball for this host's `platform`; `user` runs the service where the
    release names none; `settings` go into .env; `engine` is agentctl itself, in bytes. `forms`
    are other files of the same release; which of them serves, this host finds out.

    `store` is where it comes from and `channel` what was asked for, None for a version;
    `header_file` is what lets this host into the store, `header_over_http` also over plain http;
    `header` is what that file is to hold, where it is agentctl's own.
    `again` also tries a version that failed here. `ca` is the certificate of the store's own CA,
    None where nobody named one now.
    """

    name: str
    service: str
    version: str
    platform: str
    source: Source
    manager: str
    home: Path
    user: str
    engine: bytes
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    forms: tuple[Form, ...] = ()
    store: str = ""
    channel: str | None = None
    header_file: str | None = None
    header_over_http: bool = False
    header: bytes = field(default=b"", repr=False)
    trying: Trying = Trying()
    again: bool = False
    ca: bytes | None = None


@dataclass(frozen=True)
class Say:
    """How work reports: a step as it begins, bytes as they arrive."""

    step: Callable[[str], None]
    bytes: Report
