"""What a link with the controller works through, and how it may stand."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from xora_agent.controller import Controller
from xora_agent.meters import Meters
from xora_agent.own import Account, Times
from xora_agent.secret import Secret
from xora_agent.wire import Configuration


class State(Enum):
    """How the agent stands with its controller."""

    OFF = "off"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    FALLBACK = "fallback"
    REMOVED = "removed"


@dataclass(frozen=True)
class Applied:
    """What became of a configuration: whether it changed anything, and what people should know."""

    changed: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ways:
    """What a link does its work through.

    `account` gives who the agent is now, `apply` takes a configuration (None: local files alone),
    `beat` gives the body of a heartbeat without what the link knows itself.
    """

    account: Callable[[], Account]
    open: Callable[[Account], Controller]
    apply: Callable[[Configuration | None, Secret | None], Awaitable[Applied]]
    beat: Callable[[], Mapping[str, Any]]
    meters: Meters
    times: Times
    spread: Callable[[float, float], float] = random.uniform
