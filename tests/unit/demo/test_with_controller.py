"""Which agents get a controller in the demo, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.cli.options import load_agent
from toolkit.demo.with_controller import has_controller, row_of


@pytest.mark.parametrize(
    ("agent", "has"), [("xora-vercel-agent", True), ("glances", False), ("aiwm-controller", False)]
)
def test_who_reports_to_a_controller_gets_one(agent: str, has: bool) -> None:
    assert has_controller(load_agent(agent, Path())) is has


def test_an_agent_that_was_never_heard_has_a_row_too() -> None:
    row = row_of({"name": "a", "liveness": "never", "version": None, "lastHeartbeatAt": None})
    assert (row.liveness, row.version, row.beat) == ("never", "", "")
