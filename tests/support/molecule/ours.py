"""The store of the scenario aiwm: the controller, and two versions of an agent of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.ours import build_ours
from tests.support.releases import Released
from toolkit import engine
from toolkit.install_script import Choices
from toolkit.order import offering

_NOWHERE = "http://store.example.com"
_VARIABLES = "variables.json"
OLD, NEW = "0.1.0", "0.1.1"


def publish(folder: Path) -> None:
    """Build them into `folder`/store, with the variables that pin them beside it."""
    (folder / "store").mkdir()
    # Long enough for three heartbeats, one a second.
    agents = {
        version: build_ours("xora-vercel-agent", folder / version, version, watch=6)
        for version in (OLD, NEW)
    }
    controller = build_ours("aiwm-controller", folder / "controller", watch=3)
    for released in (*agents.values(), controller):
        shutil.copy(released.dist / released.artifact.tarball, folder / "store")
    agentctl = engine.build()
    (folder / "store" / agentctl.name).write_bytes(agentctl.data)
    found = {
        **_offered(agents[OLD]),
        "aiwm_controller_release": _offered(controller),
        "aiwm_new_release": _offered(agents[NEW]),
    }
    (folder / _VARIABLES).write_text(json.dumps(found), "utf-8")


def variables(folder: Path, url: str) -> Mapping[str, Any]:
    """Give the variables of all hosts, with the store at `url`."""
    text = (folder / _VARIABLES).read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text.replace(_NOWHERE, url))
    return found


def _offered(released: Released) -> dict[str, Any]:
    return offering(released.spec, released.dist, Choices(_NOWHERE))
