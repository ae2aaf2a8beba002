"""Holds every host of a fleet against the host contract, and its version against the channel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from toolkit import remote
from toolkit.contract import Check, Given, Verdict, evaluate, expectations, question
from toolkit.errors import HostError
from toolkit.facts import HostFacts, parse_facts
from toolkit.fleet.asking import Fleet, place
from toolkit.host.release import Release
from toolkit.hosts import Host
from toolkit.remote import Outcome, Program
from toolkit.render import describe
from toolkit.resources import probe
from toolkit.runner import PROBE
from toolkit.spec import AgentSpec

# The modules of the probe, loaded in the order in which they need each other.
_LOAD = """
import json, signal, sys, types
for name, text in json.loads({modules!r}):
    module = sys.modules["toolkit.probe." + name] = types.ModuleType("toolkit.probe." + name)
    exec(compile(text, name + ".py", "exec"), module.__dict__)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.alarm({seconds})
print(json.dumps(module.look(json.load(sys.stdin))))
"""


@dataclass(frozen=True)
class Wanted:
    """Which versions of an agent are right, the first for most hosts, and who says so.

    None where any version is.
    """

    versions: tuple[str, ...] = ()
    source: str = ""

    @property
    def clause(self) -> str:
        """What to expect, in words."""
        return " or ".join(self.versions) + (f" ({self.source})" if self.source else "")


@dataclass(frozen=True)
class Seen:
    """What was found on one host, and what should be there."""

    host: Host
    verdict: Verdict
    facts: HostFacts | None = None
    wanted: Wanted = Wanted()
    seconds: float = 0.0

    @property
    def version(self) -> str | None:
        """The version that the host has."""
        return self.facts.version if self.facts else None

    @property
    def drifted(self) -> bool:
        """Whether the host has another version than it should have."""
        return bool(self.wanted.versions) and self.version not in self.wanted.versions

    @property
    def exposure(self) -> float | None:
        """How exposed systemd says that the service is: 0 to 10, less is better."""
        return self.facts.system.exposure if self.facts and self.facts.system else None


def verify(
    fleet: Fleet, specs: Mapping[str, AgentSpec], wanted: Mapping[str, Wanted]
) -> Iterator[Seen]:
    """Look at every host once and hold it against its contract.

    Args:
        fleet: the hosts; a host that can't be looked at has its verdict's `error` set.
        specs: the agent of each host, by the host's name.
        wanted: the versions that are right, by the host's name.
    """
    releases = {host.name: describe(specs[host.name], None) for host in fleet.hosts}
    givens = {host.name: _given(host, specs[host.name]) for host in fleet.hosts}

    def order(host: Host) -> bytes:
        asked = question(releases[host.name], givens[host.name])
        return replace(asked, deep=True).to_json().encode()

    modules = json.dumps([(name, probe(name)) for name in PROBE])
    text = _LOAD.format(modules=modules, seconds=max(int(fleet.timeout), 1))
    outcomes = remote.run(
        fleet.hosts,
        Program(text, order),
        parallel=fleet.parallel,
        timeout=fleet.timeout,
        reach=fleet.reach,
    )
    for outcome in outcomes:
        name = outcome.host.name
        yield _seen(outcome, releases[name], givens[name], wanted.get(name, Wanted()))


def _given(host: Host, spec: AgentSpec) -> Given:
    known = place(host, spec.name)
    manager = host.variables.get("agent_process_manager")
    return Given(known.get("home"), None, str(manager) if manager else None)


def _seen(outcome: Outcome, release: Release, given: Given, wanted: Wanted) -> Seen:
    host = outcome.host
    if outcome.failure is not None:
        error = HostError(
            f"{host.name} could not be looked at ({outcome.failure.kind})",
            why=outcome.failure.why,
            hint=outcome.failure.hint,
        )
        verdict = Verdict(host.name, release.service.name, error=error)
        return Seen(host, verdict, wanted=wanted, seconds=outcome.seconds)
    facts = _facts(outcome)
    if isinstance(facts, HostError):
        return Seen(host, Verdict(host.name, release.service.name, error=facts), wanted=wanted)
    expected = expectations(release, given, facts)
    checks = evaluate(expected, facts)
    verdict = Verdict(host.name, expected.service, expected.version, checks)
    seen = Seen(host, verdict, facts, wanted, outcome.seconds)
    if verdict.installed and wanted.versions:
        right = Check("version", not seen.drifted, facts.version or "none", wanted.clause)
        seen = replace(seen, verdict=replace(verdict, checks=(right, *checks)))
    return seen


def _facts(outcome: Outcome) -> HostFacts | HostError:
    try:
        return parse_facts(json.dumps(outcome.answer))
    except ValueError as error:
        return HostError(
            f"{outcome.host.name} gave no answer that can be read",
            why=str(error),
            hint="this is a fault of toolkit; please report it",
        )
