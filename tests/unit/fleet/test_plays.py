"""What plays are told, and what their results mean."""

from __future__ import annotations

import json

from toolkit.fleet.orders import Orders, Wish
from toolkit.fleet.plays import outcome, overlay, parse_results
from toolkit.hosts import Host
from toolkit.reaching import Failure, Kind

HOST = Host("web1", "10.0.0.1", variables={"agent_channel": "beta", "agent_store": "https://s"})
NOTHING = Failure(Kind.BROKEN, "the play says nothing", "look")


def test_an_overlay_gives_way_to_the_inventory_and_not_to_the_call() -> None:
    offered = {"agent_store": "https://other", "agent_root": "{}", "agent_channel": "stable"}
    plain = overlay(Orders("tiny", "upgrade", Wish(), offered), [HOST], {})
    assert plain["all"]["hosts"]["web1"] == {"agent_name": "tiny", "agent_root": "{}"}
    asked = overlay(Orders("tiny", "upgrade", Wish(version="2.0"), offered), [HOST], {})
    own = {"agent_name": "tiny", "agent_root": "{}", "agent_version": "2.0", "agent_channel": ""}
    assert asked["all"]["hosts"]["web1"] == own
    back = overlay(Orders("tiny", "rollback"), [HOST], {"web1": "1.0"})
    assert back["all"]["hosts"]["web1"] == {"agent_name": "tiny", "agent_rollback_to": "1.0"}


def test_results() -> None:
    lines = [
        {"host": "web1", "what": "ok", "changed": True, "after": {"version": "2"}, "code": 0},
        {"host": "web2", "what": "unreachable", "msg": "Host key verification failed."},
        {"host": "web3", "what": "failed", "msg": "taken back", "code": 31},
        {"host": "web3", "what": "ok", "code": 0},
        {"host": "web4", "what": "ok", "stdout": '{"version": "2", "healthy": true}'},
    ]
    found = parse_results("".join(json.dumps(line) + "\n" for line in lines))
    told = [outcome(Host(f"web{n}", "x"), found, 1.0, NOTHING) for n in range(1, 6)]
    assert told[0].answer["ok"]
    assert told[0].answer["changed"]
    assert told[1].failure is not None
    assert told[1].failure.kind is Kind.HOST_KEY
    assert (told[2].answer["ok"], told[2].answer["code"]) == (False, 31)
    assert told[3].answer["data"] == {"version": "2", "healthy": True}
    assert told[4].failure == NOTHING
