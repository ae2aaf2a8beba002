"""What /health and /status tell, made of what the agent's parts say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xora_agent.brain import Mind
from xora_agent.link import Link, State


@dataclass(frozen=True)
class Facts:
    """How an agent stands; `began` says whether it has tried a configuration yet."""

    name: str
    version: str
    uptime: int
    began: bool
    mind: Mind | None
    error: str
    link: Link | None
    platforms: Mapping[str, Mapping[str, str]]


def health(facts: Facts) -> tuple[int, dict[str, Any]]:
    """Give what /health answers: 503 while starting, and where nobody could be answered."""
    states = {each["state"] for each in facts.platforms.values()}
    code, status = 200, "ok"
    if not facts.began:
        code, status = 503, "starting"
    elif facts.mind is None or (states and "connected" not in states):
        code, status = 503, "failing"
    elif facts.link is not None and facts.link.state is not State.CONNECTED:
        status = "fallback"
    model = facts.mind.model if facts.mind else None
    return code, {
        "status": status,
        "agent": facts.name,
        "version": facts.version,
        "uptime": facts.uptime,
        "aiwm": _aiwm(facts.link),
        "brain": {
            "ready": facts.mind is not None,
            "model": f"{model.provider}/{model.name}" if model else "",
            "error": facts.error,
        },
        "platforms": facts.platforms,
    }


def status(facts: Facts, messages: int) -> str:
    """Give the answer to /status."""
    _, report = health(facts)
    aiwm, brain = report["aiwm"], report["brain"]
    lines = [
        f"{report['agent']} {report['version']}: {report['status']}",
        f"controller: {aiwm['connection']}",
        f"model: {brain['model'] or 'the default'}",
        f"up {report['uptime']} s, {messages} messages",
        *(f"{name}: {each['state']}" for name, each in facts.platforms.items()),
    ]
    problem = brain["error"] or aiwm["error"]
    return "\n".join([*lines, f"problem: {problem}"] if problem else lines)


def _aiwm(link: Link | None) -> dict[str, Any]:
    if link is None:
        return {"connection": State.OFF.value, "error": ""}
    return {
        "connection": link.state.value,
        "error": link.error or link.config_error,
        "lastConnectedAt": link.connected_at,
        "lastHeartbeatAt": link.beaten_at,
        "configVersion": link.config_version,
    }
