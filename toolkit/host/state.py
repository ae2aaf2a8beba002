"""What a host remembers of a service: state.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from toolkit import __version__
from toolkit.host.errors import BadRelease, TooOld
from toolkit.host.files import write_atomic
from toolkit.host.layout import Layout

SCHEMA = 1


@dataclass(frozen=True)
class State:
    """The service as it stands.

    `outcome` is installing, running, failed, reverted or uninstalled; `reason` says why in one
    sentence; `at` is when, in ISO 8601 UTC; `details` is what the process manager must know to
    take back what it did. `failed` holds the versions that failed by their own fault, by SHA-256:
    version, reason and at. `store` is where releases come from, without what lets anybody in;
    `channel` is what was asked for, or None for a version; `header_file` is the file whose header
    a private store is sent, over plain http too where `header_over_http` says so.

    `follow` is how this host follows a channel (follow.Follow), None where it does not; `pinned`
    the one version that may run; `paused` says since when (at) and until when it stays as it is.
    `left` is what is still to be done for a version that was kept (tidy.py), `postponed` until when
    a version waits that was taken back by no fault of its own (postpone.py).
    """

    name: str
    service: str
    version: str
    platform: str
    manager: str
    user: str
    created_user: bool
    home: str
    sha256: str
    outcome: str
    reason: str
    at: str
    previous: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    store: str = ""
    channel: str | None = None
    header_file: str | None = None
    header_over_http: bool = False
    follow: Mapping[str, Any] | None = None
    pinned: str | None = None
    paused: Mapping[str, str | None] | None = None
    left: Mapping[str, Any] | None = None
    postponed: Mapping[str, Any] | None = None


def read_state(layout: Layout) -> State | None:
    """Give the state of the service, or None where there never was one.

    Raises BadRelease where state.json is damaged, TooOld where a newer agentctl wrote it.
    """
    try:
        data = json.loads(layout.state.read_text(encoding="utf-8"))
        require_format(layout, layout.state, data, SCHEMA)
        known = {field.name for field in fields(State)}
        # A newer agentctl may have noted more; the one that comes back must read what it knows.
        return State(**{name: value for name, value in data.items() if name in known})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BadRelease(
            f"{layout.state} is damaged: {error}",
            hint="move it away and install again; releases, .env and logs stay as they are",
        ) from error


def require_format(layout: Layout, path: Path, data: Mapping[str, Any], schema: int) -> None:
    """Raise TooOld where a newer agentctl wrote the file, in a format that this one can't read."""
    found = data.get("schema", 1)  # the first trials said none
    if found == schema:
        return
    writer = data.get("agentctl", "a newer version")
    raise TooOld(
        f"{path} is of format {found}, written by agentctl {writer}; this is agentctl "
        f"{__version__}, which reads format {schema}",
        hint=f"use {layout.agentctl}, where that is agentctl {writer}; else run a new install "
        "script, which brings the agentctl that is published now",
    )


def write_state(layout: Layout, state: State) -> None:
    """Write state.json whole, readable by everyone: it holds no secret."""
    data = {"schema": SCHEMA, "agentctl": __version__, **asdict(state)}
    text = json.dumps(data, indent=2, sort_keys=True) + "\n"
    write_atomic(layout.state, text.encode(), 0o644)
