"""`agentctl doctor`: looks at all that a service needs on this host, one thing after the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from toolkit.host.checks import FAIL, Check, ok
from toolkit.host.checks_host import check_disk, check_last_run, check_permissions, clock_keeper
from toolkit.host.checks_store import (
    check_clock,
    check_dns,
    check_proxy,
    check_store,
    check_trust,
)
from toolkit.host.checks_unit import check_sandbox, check_service, check_unit
from toolkit.host.errors import AgentctlError
from toolkit.host.layout import Layout
from toolkit.host.state import State
from toolkit.host.storeanswer import Answer, ask, asked_for

Look = Callable[[], Check]


def checkup(layout: Layout, state: State, store: str, now: Callable[[], datetime]) -> list[Check]:
    """Give what every check found; a check that can't be made is a failed one.

    `store` is the store's address, empty where it is not known. Changes nothing.
    """
    answer = ask(asked_for(layout, store)) if store else None
    checks: list[tuple[str, Look]] = [
        ("service", lambda: check_service(layout, state)),
        ("last run", lambda: check_last_run(layout, state)),
        *_of_unit(layout, state),
        ("permissions", lambda: check_permissions(layout, state)),
        ("disk", lambda: check_disk(layout)),
        ("clock", lambda: check_clock(answer, now(), clock_keeper())),
        *_of_store(store, answer),
        ("trust", lambda: check_trust(layout, answer, now())),
    ]
    return [_made(name, look) for name, look in checks]


def _of_unit(layout: Layout, state: State) -> list[tuple[str, Look]]:
    if state.manager != "systemd":
        return []
    return [
        ("unit", lambda: check_unit(layout, state)),
        ("sandbox", lambda: check_sandbox(state)),
    ]


def _of_store(store: str, answer: Answer | None) -> list[tuple[str, Look]]:
    if answer is None:
        unknown = "its address is not known here; name it by --store"
        return [("store", lambda: ok("store", unknown))]
    return [
        ("dns", lambda: check_dns(store)),
        ("proxy", lambda: check_proxy(store)),
        ("store", lambda: check_store(answer)),
    ]


def _made(name: str, look: Look) -> Check:
    try:
        return look()
    except AgentctlError as error:
        return Check(name, FAIL, f"it could not be looked at: {error.message}", do=error.hint)
    except (OSError, ValueError, KeyError) as error:
        do = "run it with sudo" if isinstance(error, PermissionError) else ""
        return Check(name, FAIL, f"it could not be looked at: {error}", do=do)
