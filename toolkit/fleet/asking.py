"""Asks the hosts of a fleet: status, logs, commands, restarts, bundles."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit import remote
from toolkit.errors import ConfigError
from toolkit.hosts import Host
from toolkit.remote import Failure, Kind, Line, Outcome, Program, Reach
from toolkit.resources import probe

PROGRAM = "fleet"


@dataclass(frozen=True)
class Fleet:
    """The hosts to work on, how many at a time, and for how many seconds each."""

    hosts: tuple[Host, ...]
    parallel: int = remote.PARALLEL
    timeout: float = remote.TIMEOUT
    reach: Reach = field(default_factory=Reach)


@dataclass(frozen=True)
class Report:
    """What one host answered; `failure` says why it did not, or what went wrong there.

    `reached` says whether the host itself answered.
    """

    host: Host
    answer: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None
    hint: str = ""
    kind: str = ""
    seconds: float = 0.0

    @property
    def reached(self) -> bool:
        """Whether the host answered at all."""
        return bool(self.answer)


def place(host: Host, agent: str | None) -> dict[str, str]:
    """Say which service is meant on `host`: its name, and where the inventory puts it.

    Raises ConfigError where neither the call nor the inventory names the agent.
    """
    known = host.variables
    name = agent or known.get("agent_name")
    if not name:
        raise ConfigError(
            f"nobody says which agent is meant on host {host.name}",
            why="the call names none, and the inventory has no agent_name for it",
            hint="name the agent, or set agent_name in the inventory",
        )
    if name not in (known.get("agent_name"), None) and "agent_name" in known:
        known = {}  # what the inventory says is said of another agent
    found = {
        "service": known.get("agent_service") or name,
        "home": known.get("agent_home"),
        "user": known.get("agent_user"),
    }
    return {key: str(value) for key, value in found.items() if value}


def status(fleet: Fleet, agent: str | None = None) -> Iterator[Report]:
    """Say of each host what runs there; a service that is not healthy is a failure."""
    for outcome in _ask(fleet, lambda host: {"do": "status", **place(host, agent)}):
        report = _report(outcome)
        if report.failure is None and not report.answer["healthy"]:
            report = _failed(report, str(report.answer["fault"]))
        yield report


def execute(fleet: Fleet, argv: Sequence[str]) -> Iterator[Report]:
    """Run a command on each host; an exit code other than 0 is a failure."""
    order = {"do": "exec", "argv": list(argv), "seconds": fleet.timeout}
    for outcome in _ask(fleet, lambda _: order):
        report = _report(outcome)
        code = report.answer.get("code", 0)
        yield _failed(report, f"exit code {code}") if code else report


def agentctl(fleet: Fleet, words: Sequence[str], agent: str | None = None) -> Iterator[Report]:
    """Call agentctl on each host, such as `restart`; what it refuses is a failure."""
    order = {"do": "agentctl", "argv": list(words), "seconds": fleet.timeout}
    for outcome in _ask(fleet, lambda host: {**order, **place(host, agent)}):
        yield _of_agentctl(_report(outcome))


def bundles(fleet: Fleet, agent: str | None = None) -> Iterator[tuple[Report, bytes]]:
    """Have each host pack a support bundle and give it, or nothing where that failed."""
    order = {"do": "bundle", "seconds": fleet.timeout}
    for outcome in _ask(fleet, lambda host: {**order, **place(host, agent)}):
        report = _of_agentctl(_report(outcome))
        yield report, base64.b64decode(report.answer.get("data", ""))


def enrolled(fleet: Fleet, controller: str, agent: str) -> Iterator[Report]:
    """Say of each host which agent of `controller` it is, and whether its secret works there."""
    order = {"do": "enrolled", "controller": controller}
    for outcome in _ask(fleet, lambda host: {**order, **place(host, agent)}):
        report = _report(outcome)
        trouble = report.answer.get("trouble")
        yield _failed(report, f"it does not reach the controller: {trouble}") if trouble else report


def logs(
    fleet: Fleet, words: Sequence[str], agent: str | None = None, *, follow: bool = False
) -> Iterator[Line | Report]:
    """Give the lines of all hosts' logs as they come, and a report where a host's ends."""
    more = ["--follow"] if follow else []
    places = {host.name: place(host, agent) for host in fleet.hosts}

    def order(host: Host) -> bytes:
        return _line({"do": "logs", "argv": [*words, *more], **places[host.name]})

    program = Program(probe(PROGRAM), order)
    timeout = None if follow else fleet.timeout
    for result in remote.stream(fleet.hosts, program, timeout=timeout, reach=fleet.reach):
        yield result if isinstance(result, Line) else _report(result)


def _ask(fleet: Fleet, order: Callable[[Host], Mapping[str, Any]]) -> Iterator[Outcome]:
    orders = {host.name: _line(order(host)) for host in fleet.hosts}
    yield from remote.run(
        fleet.hosts,
        Program(probe(PROGRAM), lambda host: orders[host.name]),
        parallel=fleet.parallel,
        timeout=fleet.timeout,
        reach=fleet.reach,
    )


def _line(order: Mapping[str, Any]) -> bytes:
    return json.dumps(order).encode() + b"\n"


def _report(outcome: Outcome) -> Report:
    if outcome.failure is None:
        return Report(outcome.host, outcome.answer or {}, seconds=outcome.seconds)
    fault: Failure = outcome.failure
    kind = str(Kind(fault.kind))
    return Report(outcome.host, {}, fault.why, fault.hint, kind, seconds=outcome.seconds)


def _failed(report: Report, why: str, hint: str = "") -> Report:
    return Report(report.host, report.answer, why, hint, "failed", report.seconds)


def _of_agentctl(report: Report) -> Report:
    """Take what agentctl said as the failure, where its exit code is one."""
    code = report.answer.get("code", 0)
    if not code:
        return report
    lines = [line for line in report.answer["stderr"].splitlines() if line.strip()]
    hint = next((line.partition("do:")[2].strip() for line in lines if "  do:" in line), "")
    said = next((line for line in lines if "error: " in line), lines[-1] if lines else "")
    return _failed(report, said.partition("error: ")[2] or said or f"exit code {code}", hint)
