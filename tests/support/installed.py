"""A service as agentctl leaves it in a folder, for tests that need no process and no root."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

from toolkit.host.layout import Layout
from toolkit.host.state import State, write_state

STATE = State(
    name="tiny",
    service="tiny",
    version="1.0.0",
    platform="linux-x64",
    manager="direct",
    user="nobody",
    created_user=False,
    home="/opt/tiny",
    sha256="0" * 64,
    outcome="running",
    reason="its health gate held",
    at="2026-01-01T00:00:00+00:00",
)


def put_service(home: Path, **changes: object) -> Layout:
    """Make the folders and the state of a service that the caller runs."""
    layout = Layout(home)
    layout.logs.mkdir(parents=True)
    values = {"user": pwd.getpwuid(os.geteuid()).pw_name, "home": str(home), **changes}
    write_state(layout, replace(STATE, **values))  # type: ignore[arg-type]
    return layout
