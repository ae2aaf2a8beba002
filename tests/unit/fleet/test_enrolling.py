"""Who is enrolled already, what each host needs, and when one counts as online."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from toolkit.controller import Agent, Controller
from toolkit.errors import ConfigError, ControllerAwayError, ControllerError
from toolkit.fleet import enrolling
from toolkit.fleet.account import Row
from toolkit.fleet.asking import Report
from toolkit.fleet.enrolling import (
    Candidate,
    Enrolled,
    Wish,
    candidates,
    standings,
    wait_online,
)
from toolkit.hosts import Host
from toolkit.rollout_events import Loss
from toolkit.secret import Secret

WISH = Wish("https://c", "xora-cc-agent")
HOST = Host("h", "h")
AGENT = Agent("a1", "h", "active", "online", "1.0.0", datetime(2026, 11, 21, tzinfo=UTC))
WORKS = {"agent": "a1", "secret": "works", "trouble": ""}


def one(agents: list[Agent], wish: Wish = WISH, failure: str = "", **answer: Any) -> Candidate:
    report = Report(HOST, {**WORKS, **answer}, failure or None)
    (found,) = candidates([HOST], agents, {"h": report}, wish)
    return found


def test_a_credential_that_works_is_kept() -> None:
    assert one([AGENT]).credential == "kept"
    assert one([AGENT], replace(WISH, rotate=True)).credential == "new"


@pytest.mark.parametrize(
    "answer", [{"secret": "none"}, {"secret": "refused"}, {"agent": "another"}, {"agent": ""}]
)
def test_any_other_is_replaced(answer: dict[str, Any]) -> None:
    assert one([AGENT], **answer).credential == "new"


def test_a_host_without_an_agent_gets_one() -> None:
    assert one([replace(AGENT, name="other")]) == Candidate(HOST, "h", None, "new")


def test_nothing_is_done_to_who_is_suspended_or_does_not_reach_the_controller() -> None:
    assert "suspended" in one([replace(AGENT, status="suspended")]).fault
    lost = one([AGENT], failure="it does not reach the controller: no route")
    assert (lost.credential, lost.fault) == ("", "it does not reach the controller: no route")
    assert lost.hint


def test_nobody_guesses_which_of_two_is_meant() -> None:
    with pytest.raises(ConfigError, match="2 agents called h"):
        one([AGENT, replace(AGENT, id="a2")])
    hosts = [HOST, Host("g", "g", variables={"aiwm_agent_name": "h"})]
    reports = {host.name: Report(host, WORKS) for host in hosts}
    with pytest.raises(ConfigError, match="two hosts are called h"):
        list(candidates(hosts, [AGENT], reports, WISH))


def standing(now: Agent, credential: str = "kept", **row: Any) -> tuple[bool, str]:
    enrolled = Enrolled(HOST, AGENT, credential)
    rows = {"h": Row("h", 1, **{"what": "holds", "after": "1.0.0", **row})}
    (found,) = standings([enrolled], rows, {"a1": now})
    return found.online, found.fault


def test_online_is_who_is_heard_with_the_version_that_runs() -> None:
    assert standing(AGENT) == (True, "")
    assert standing(AGENT, after="1.1.0")[1] == "1.1.0 runs, and the controller sees 1.0.0, online"
    assert not standing(replace(AGENT, liveness="late"))[0]
    lost = standing(AGENT, what="lost", loss=Loss("reverted", "it ended"))
    assert lost == (False, "reverted: it ended")


def test_a_new_secret_must_have_been_heard_itself() -> None:
    assert not standing(AGENT, "new")[0]
    assert AGENT.heard is not None
    assert standing(replace(AGENT, heard=AGENT.heard + timedelta(seconds=1)), "new")[0]


class Flaky(Controller):
    """Gives one outcome a call: its agents, or a fault."""

    def __init__(self, *outcomes: list[Agent] | ControllerError) -> None:
        super().__init__("https://c", Secret("t"))
        object.__setattr__(self, "outcomes", list(outcomes))

    def agents(self) -> Iterator[Agent]:
        outcome = self.outcomes.pop(0)  # type: ignore[attr-defined]
        if isinstance(outcome, ControllerError):
            raise outcome
        return iter(outcome)


def test_a_controller_that_is_away_for_a_while_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(enrolling, "POLL", 0.0)
    rows = {"h": Row("h", 1, what="holds", after="1.0.0")}
    hosts = [Enrolled(HOST, AGENT, "kept")]
    away = ControllerAwayError("away")
    (found,) = wait_online(hosts, rows, Flaky(away, away, [AGENT]), lambda: True)
    assert found.online
    with pytest.raises(ControllerAwayError):
        wait_online(hosts, rows, Flaky(away), lambda: False)
    with pytest.raises(ControllerError, match="refuses"):
        wait_online(hosts, rows, Flaky(ControllerError("refuses")), lambda: True)
