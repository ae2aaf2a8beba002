"""Which release runs, and how the last upgrade went: what agentctl left beside the agent."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from xora_agent import __version__

_PATH = Path("toolkit", "release.json")
_STATE = "state.json"
_LONGEST = 1000


def running_version(given: str, home: Path, prefix: Path | None = None) -> str:
    """Give the version of the release that this code is of.

    `given` is what AIWM_RELEASE_VERSION says. Without it, the release is the folder above this
    Python that holds toolkit/release.json; `home`/current may already be another. A checkout has
    the version of the package.
    """
    if given:
        return given
    start = (prefix or Path(sys.prefix)).resolve()
    for folder in (start, *start.parents):
        found = _text_of(_json(folder / _PATH), "version")
        if found:
            return found
    current = home / "current"
    return current.resolve().name if current.is_symlink() else __version__


def last_upgrade(home: Path) -> dict[str, str] | None:
    """Give the outcome of the last upgrade in the form of heartbeats, None where none is known."""
    state = _json(home / _STATE)
    outcome = _text_of(state, "outcome")
    if not outcome:
        return None
    told = {
        "outcome": outcome[:200],
        "version": _text_of(state, "version")[:100],
        "fromVersion": _text_of(state, "previous")[:100],
        "why": _text_of(state, "reason")[:_LONGEST],
    }
    at = _text_of(state, "at")
    return {**told, "at": at} if _is_time(at) else told


def _json(file: Path) -> Any:
    # None of this may keep the agent from its work, whatever stands there.
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _text_of(data: Any, name: str) -> str:
    found = data.get(name) if isinstance(data, dict) else None
    return re.sub(r"[\x00-\x1f\x7f]", " ", found) if isinstance(found, str) else ""


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True
