"""An agent's clock may be wrong by hours: the controller goes by its own alone."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from tests.support.aiwm import Running


@pytest.mark.parametrize("hours", [-30, -3, 3, 30])
def test_what_an_agents_clock_says_decides_nothing(running: Running, hours: int) -> None:
    agent, caller = running.connected()
    theirs = running.watch() + timedelta(hours=hours)
    body = {
        "status": "online",
        "metrics": {"timestamp": theirs.timestamp()},
        "lastUpgrade": {"outcome": "committed", "at": theirs.isoformat()},
    }
    path = f"/agents/{agent['id']}"
    headers = {"Date": format_datetime(theirs)}
    assert caller("POST", f"{path}/heartbeat", body, headers=headers).status_code == 200
    found = running.owner.ok("GET", path)
    assert found["liveness"] == "online"
    ours = running.watch().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert found["lastHeartbeatAt"] == ours
    assert running.owner.ok("GET", f"{path}/history")["heartbeats"][0]["at"] == ours
    running.watch.later(seconds=100)
    assert running.owner.ok("GET", path)["liveness"] == "late"


def test_a_token_says_how_long_it_holds_not_only_until_when(running: Running) -> None:
    agent = running.agent()
    secret = running.credentials(agent["id"])["secret"]
    answer = running.nobody.ok("POST", f"/agents/{agent['id']}/connect", {"secret": secret})
    assert answer["expiresIn"] == 86_400, "an agent counts this from when it asked"


def test_tokens_hold_when_the_controllers_clock_is_set_back(running: Running) -> None:
    running.watch.later(hours=5)
    agent, caller = running.connected()
    path = f"/agents/{agent['id']}"
    assert caller.status("POST", f"{path}/heartbeat", {"status": "online"}) == 200
    running.watch.later(hours=-5)
    assert caller.status("POST", f"{path}/heartbeat", {"status": "online"}) == 200
    assert caller.status("GET", f"{path}/config") == 200
    assert running.owner.ok("GET", path)["liveness"] == "online"
