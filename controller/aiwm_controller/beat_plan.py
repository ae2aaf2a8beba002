"""What a batch of heartbeats comes to: who is answered what, and which rows are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiwm_controller.errors import Fault, NotFound, Unauthorized

_STATUS = {"online": "active", "idle": "active", "busy": "busy"}


class Beat(NamedTuple):
    """A heartbeat as it came; `generation` is that of the secret behind its token.

    `metrics` and `upgrade` are JSON; what is None was not said.
    """

    agent_id: str
    generation: int
    status: str
    version: str
    metrics: str | None
    config_seen: int | None
    upgrade: str | None


class Known(NamedTuple):
    """What must be known of an agent to take its heartbeat."""

    generation: int
    status: str
    config_version: int
    deleted: bool
    beats: int
    left: bool = False  # it said goodbye, and has not connected since

    def refusal(self, beat: Beat) -> Fault | None:
        """Say why this heartbeat is not taken."""
        if self.deleted:
            return NotFound("there is no such agent")
        if self.status == "suspended":
            return Unauthorized("the agent is suspended", hint="ask who runs the controller")
        if self.generation != beat.generation:
            return Unauthorized(
                "the agent's secret was exchanged", hint="connect with the new secret"
            )
        if self.left:  # one that was under way still must not show it online
            return Unauthorized("the agent said goodbye", hint="connect again")
        return None


HistoryRow = tuple[str, int, str, str, str | None]
PresenceRow = tuple[str, int, str, str | None, str | None, int | None, str | None]


@dataclass(frozen=True)
class Plan:
    """What a batch comes to: an answer to each heartbeat, and the rows to be written.

    A row of `history` is agent, slot, status, version, metrics; one of `presences` is agent,
    beats, status, version, metrics, config version, upgrade, where None leaves what there is; one
    of `statuses` is agent, status. All are in the order of agents, so that two workers never wait
    for each other.
    """

    answers: list[int | Fault]
    taken: int
    history: list[HistoryRow]
    presences: list[PresenceRow]
    statuses: list[tuple[str, str]]


def plan(batch: Sequence[Beat], known: Mapping[str, Known], history: int) -> Plan:
    """Judge each heartbeat, and say what is to be written; `history` slots go round."""
    answers: list[int | Fault] = []
    taken: dict[str, list[Beat]] = {}
    for beat in batch:
        agent = known.get(beat.agent_id)
        refusal = agent.refusal(beat) if agent else NotFound("there is no such agent")
        if agent is None or refusal is not None:
            answers.append(refusal or NotFound("there is no such agent"))
            continue
        answers.append(agent.config_version)
        taken.setdefault(beat.agent_id, []).append(beat)
    rows: list[HistoryRow] = []
    presences: list[PresenceRow] = []
    statuses: list[tuple[str, str]] = []
    for agent_id in sorted(taken):
        beats, agent = taken[agent_id], known[agent_id]
        first = max(0, len(beats) - history)  # those before it would be written over at once
        rows += [
            (agent_id, (agent.beats + number) % history, b.status, b.version, b.metrics)
            for number, b in enumerate(beats[first:], first)
        ]
        presences.append(_heard(agent_id, agent.beats, beats))
        status = _STATUS[beats[-1].status]
        if status != agent.status:
            statuses.append((agent_id, status))
    count = sum(map(len, taken.values()))
    return Plan(answers, count, rows, presences, statuses)


def _heard(agent_id: str, before: int, beats: Sequence[Beat]) -> PresenceRow:
    """Give what is now known of an agent: what a heartbeat leaves out stays."""
    version, metrics, seen, upgrade = None, None, None, None
    for beat in beats:
        version = beat.version or version
        metrics = metrics if beat.metrics is None else beat.metrics
        seen = seen if beat.config_seen is None else beat.config_seen
        upgrade = upgrade if beat.upgrade is None else beat.upgrade
    return agent_id, before + len(beats), beats[-1].status, version, metrics, seen, upgrade
