"""What a call changes, in words that a machine compares: how the service stood, and stands then.

`agentctl --check --json` foresees what the same call without --check tells afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from toolkit.host.errors import AgentctlError, Reverted
from toolkit.host.layout import Layout
from toolkit.host.request import Request
from toolkit.host.settings import settings_there
from toolkit.host.state import read_state

SET, ANEW = "(set)", "(set to another value)"
_SHOWN = 12


@dataclass(frozen=True)
class Standing:
    """A service as it is installed; `agentctl` is the start of the engine's SHA-256.

    `settings` are the variables of this host with their values, which are shown nowhere.
    """

    version: str
    channel: str | None
    manager: str
    store: str
    agentctl: str
    settings: Mapping[str, str] = field(repr=False)


def standing(layout: Layout) -> Standing | None:
    """Say how the service stands; None where no version is installed."""
    state, version = read_state(layout), layout.running_version()
    if state is None or version is None:
        return None
    engine = layout.agentctl.read_bytes() if layout.agentctl.exists() else b""
    settings = settings_there(layout)
    return Standing(version, state.channel, state.manager, state.store, _id(engine), settings)


def foreseen(request: Request, before: Standing | None, layout: Layout) -> Standing:
    """Say how the service will stand when `request` was done."""
    # An uninstallation may have kept the settings.
    kept = before.settings if before else settings_there(layout)
    return Standing(
        request.version,
        request.channel,
        request.manager,
        request.store,
        _id(request.engine),
        {**kept, **request.settings},
    )


def rolled_back(before: Standing | None, version: str) -> Standing | None:
    """Say how the service will stand when `version`, which is on the host, was gone back to."""
    return replace(before, version=version) if before else None


def compared(before: Standing | None, after: Standing | None) -> dict[str, Any]:
    """Give `before` and `after` as JSON-ready values; of settings, that they are set or change."""
    former = before.settings if before else {}
    return {"before": _shown(before, former), "after": _shown(after, former)}


def failure(error: AgentctlError) -> dict[str, Any]:
    """Give a fault as JSON-ready values: what in `message`, the rest of it in `why`."""
    what, _, why = error.message.partition("\n")
    return {
        "message": what,
        "why": why,
        "hint": error.hint,
        "code": error.exit_code,
        "reverted": isinstance(error, Reverted),
    }


def _shown(found: Standing | None, former: Mapping[str, str]) -> dict[str, Any] | None:
    if found is None:
        return None
    settings = {
        name: SET if former.get(name, value) == value else ANEW
        for name, value in sorted(found.settings.items())
    }
    plain = ("version", "channel", "manager", "store", "agentctl")
    return {**{name: getattr(found, name) for name in plain}, "settings": settings}


def _id(engine: bytes) -> str:
    return hashlib.sha256(engine).hexdigest()[:_SHOWN] if engine else ""
