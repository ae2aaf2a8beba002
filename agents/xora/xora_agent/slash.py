"""The commands that people give in a chat, as platforms list them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "reload": "Take the latest configuration from the controller",
        "reset": "Forget this conversation and begin anew",
        "status": "Say how the agent is",
        "help": "List what the agent understands",
    }
)
