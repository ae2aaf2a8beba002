"""What a play of the collection is told, and what its results mean: pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from toolkit.fleet.orders import Orders
from toolkit.hosts import Host
from toolkit.reaching import Failure, Kind
from toolkit.remote import Outcome

Results = Mapping[str, Mapping[str, Any]]
_REFUSED = "Host key verification failed"


def overlay(orders: Orders, hosts: Iterable[Host], versions: Mapping[str, str]) -> dict[str, Any]:
    """Give a second inventory: what the project and the call say of hosts, over the first one.

    It holds no secret. `versions` are those that are named to hosts, in place of a channel.
    """
    return {"all": {"hosts": {host.name: _said(orders, host, versions) for host in hosts}}}


def _said(orders: Orders, host: Host, versions: Mapping[str, str]) -> dict[str, Any]:
    found = {name: value for name, value in orders.offered.items() if name not in host.variables}
    meant = orders.wish.variables(found)
    if orders.wish.version or orders.wish.channel:
        # A variable that is empty counts as one that is not set.
        meant = {"agent_version": "", "agent_channel": "", **meant}
    version = versions.get(host.name)
    if version is not None:
        name = "agent_rollback_to" if orders.verb == "rollback" else "agent_version"
        meant[name] = version
    return {"agent_name": orders.name, **meant}


def parse_results(text: str) -> dict[str, dict[str, Any]]:
    """Read what the callback plugin wrote: for each host its last line, a failure before all."""
    found: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        result = json.loads(line)
        known = found.get(result["host"])
        if known is None or known["what"] == "ok":
            found[result["host"]] = result
    return found


def outcome(host: Host, results: Results, seconds: float, otherwise: Failure) -> Outcome:
    """Give what became of a host; `otherwise` is why, where the play says nothing of it."""
    result = results.get(host.name)
    if result is None:
        return Outcome(host, failure=otherwise, seconds=seconds)
    if result["what"] == "unreachable":
        return Outcome(host, failure=_unreachable(result), seconds=seconds)
    answer = {
        "ok": result["what"] == "ok",
        "code": result.get("code", 0 if result["what"] == "ok" else 1),
        "changed": bool(result.get("changed")),
        "before": result.get("before"),
        "after": result.get("after"),
        "message": result.get("msg", ""),
        "hint": result.get("hint", ""),
        "data": _json(result.get("stdout", "")),
    }
    return Outcome(host, answer, seconds=seconds)


def _unreachable(result: Mapping[str, Any]) -> Failure:
    said = " ".join(str(result.get("msg", "")).split())
    kind = Kind.HOST_KEY if _REFUSED in said else Kind.UNREACHABLE
    return Failure(kind, said or "Ansible could not reach it", "see ansible -m ping for this host")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
