"""What a host remembers of a service: state.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from toolkit.host.errors import BadRelease
from toolkit.host.files import write_atomic
from toolkit.host.layout import Layout

SCHEMA = 1


@dataclass(frozen=True)
class State:
    """The service as it stands; `outcome` is installing, running or failed.

    `reason` says why in one sentence; `at` is when, in ISO 8601 UTC; `details` is what the
    process manager must know to take back what it did. `store` is where the version came from,
    without anything secret; `channel` is what named it, None where the version was named itself.
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
    store: str = ""
    channel: str | None = None


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
        return State(**data)
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
