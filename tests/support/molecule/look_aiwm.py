"""What the tests of the scenario aiwm look at: the controller's list, and an agent's host."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from testinfra.host import Host

HOME = "/opt/xora-agent"
CONTROLLER = "ansible://controller-1"
AGENTS = [f"ansible://agent-{number}" for number in (1, 2, 3)]
_CONTROLLER = "/opt/aiwm-controller"
_TOKEN = (
    f"cd / && {_CONTROLLER}/agentctl exec --home {_CONTROLLER} -- runuser -u aiwm-controller -- "
    f"{_CONTROLLER}/current/venv/bin/aiwm-controller token --email owner@example.com"
)
Json = dict[str, Any]


def seen(host: Host) -> dict[str, Json]:
    """Give the agents that the controller lists, by name; asked on its own host."""
    with host.sudo():
        token = host.check_output(_TOKEN)
    url = "http://127.0.0.1:3305/agents?limit=100"
    text = host.check_output(
        "curl -sS --max-time 10 -H %s %s", f"Authorization: Bearer {token}", url
    )
    return {row["name"]: row for row in json.loads(text)["data"]}


def seen_once(host: Host, holds: Callable[[Json], bool], seconds: float = 60) -> dict[str, Json]:
    """Ask until it holds for all agents, or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = seen(host)
        if all(map(holds, found.values())) or time.monotonic() > deadline:
            return found
        time.sleep(1)


def status(host: Host) -> Json:
    """Give what agentctl says of the agent."""
    with host.sudo():
        found: Json = json.loads(host.check_output("%s/agentctl status --json", HOME))
    return found
