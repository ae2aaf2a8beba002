"""What a host remembers of a service: state.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from toolkit.host.errors import BadRelease
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


def read_state(layout: Layout) -> State | None:
    """Give the state of the service, or None where there never was one.

    Raises BadRelease where state.json is damaged.
    """
    try:
        data = json.loads(layout.state.read_text(encoding="utf-8"))
        schema = data.pop("schema")
        if schema != SCHEMA:
            raise BadRelease(
                f"{layout.state} has format {schema}, this agentctl reads {SCHEMA}",
                hint=f"use {layout.agentctl}, which wrote it",
            )
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


def write_state(layout: Layout, state: State) -> None:
    """Write state.json whole, readable by everyone: it holds no secret."""
    text = json.dumps({"schema": SCHEMA, **asdict(state)}, indent=2, sort_keys=True) + "\n"
    write_atomic(layout.state, text.encode(), 0o644)
