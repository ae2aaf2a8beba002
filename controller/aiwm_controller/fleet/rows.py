"""What the pages say of one agent in a line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_

from aiwm_controller.models import Agent, Presence
from aiwm_controller.state import State

# What agentctl's state.json says of an upgrade is `running` once its health gate held.
_FINE = ("", "committed", "ok", "success", "installing", "running")


def trouble(liveness: ColumnElement[str]) -> ColumnElement[int]:
    """Give what sorts failures first: who is gone, whose upgrade failed, who is late or refused.

    An agent that was suspended is where somebody wants it to be.
    """
    outcome = func.coalesce(Presence.upgrade["outcome"].as_string(), "")
    return case(
        (Agent.status == "suspended", 4),
        (liveness == "offline", 0),
        (outcome.not_in(_FINE), 1),
        (or_(liveness == "late", Presence.failed_connects > 0), 2),
        (liveness == "never", 3),
        else_=5,
    )


def row(state: State, agent: Agent, presence: Presence, now: datetime) -> dict[str, Any]:
    """Give an agent as the pages show it."""
    beat = presence.last_heartbeat_at
    liveness = state.times.of(beat, presence.last_disconnected_at, now)
    upgrade = presence.upgrade or {}
    pending = presence.config_seen is not None and presence.config_seen != agent.config_version
    return {
        "id": agent.id,
        "name": agent.name,
        "host": agent.host,
        "status": agent.status,
        "liveness": liveness,
        "reported": presence.reported,
        "version": presence.version,
        "tags": list(agent.tags),
        "beat": beat,
        "ago": ago(beat, now),
        "troubles": _troubles(agent, presence, upgrade),
        "pending": pending,
    }


def _troubles(agent: Agent, presence: Presence, upgrade: dict[str, Any]) -> list[str]:
    outcome = str(upgrade.get("outcome", ""))
    return [
        text
        for text, is_so in (
            ("suspended", agent.status == "suspended"),
            (f"upgrade {outcome}", outcome not in _FINE),
            (f"{presence.failed_connects} refused", presence.failed_connects > 0),
        )
        if is_so
    ]


def ago(moment: datetime | None, now: datetime) -> str:
    """Say how long ago something was, in one unit."""
    if moment is None:
        return "never"
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
