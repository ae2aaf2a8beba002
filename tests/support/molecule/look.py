"""What the tests of scenarios look at on a host, through testinfra and ssh."""

from __future__ import annotations

import json
from typing import Any

from testinfra.host import Host

HOME = "/opt/frail"
URL = "http://127.0.0.1:7171/"


def answer(host: Host, url: str = URL) -> str:
    """Give what the agent answers on its port."""
    return str(host.check_output("curl --silent --show-error --max-time 5 %s", url))


def status(host: Host, home: str = HOME) -> dict[str, Any]:
    """Give what agentctl says of the service, to whoever testinfra is on the host."""
    found: dict[str, Any] = json.loads(host.check_output("%s/agentctl status --json", home))
    return found
