"""Makes hosts agents of a controller: who is one already, and what each needs to become one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from toolkit.controller import Agent, Controller
from toolkit.errors import ConfigError, ControllerAwayError
from toolkit.fleet.account import Row
from toolkit.fleet.asking import Report
from toolkit.hosts import Host
from toolkit.secret import Secret

SECRET = "AIWM_AGENT_SECRET"  # noqa: S105 - the name of a variable
POLL = 2.0
_WORKS = "works"
_NO_ID, _NO_SECRET = "0" * 24, "0" * 64
_NAME = "aiwm_agent_name"  # the role aiwm_agent reads it, too


@dataclass(frozen=True)
class Wish:
    """What enrolled hosts are to be: agents of `controller` that run `release`, with `tags`.

    `rotate` gives them new credentials also where theirs work; with `over_http`, an agent is told
    that its controller's address may be plain http.
    """

    controller: str
    release: str
    tags: tuple[str, ...] = ()
    rotate: bool = False
    over_http: bool = False


@dataclass(frozen=True)
class Candidate:
    """A host, its agent where there is one, and what is to become of its credential.

    `credential` is `kept`, `new`, or empty where `fault` says why nothing can be done.
    """

    host: Host
    name: str
    agent: Agent | None = None
    credential: str = ""
    fault: str = ""
    hint: str = ""


def candidates(
    hosts: Sequence[Host], agents: Iterable[Agent], reports: Mapping[str, Report], wish: Wish
) -> Iterator[Candidate]:
    """Say of each host what is to be done, out of what the controller and the hosts have said.

    Raises ConfigError where two hosts or two agents have one name, so that one would be guessed at.
    """
    by_name: dict[str, list[Agent]] = {}
    for agent in agents:
        by_name.setdefault(agent.name, []).append(agent)
    names = {host.name: str(host.variables.get(_NAME) or host.name) for host in hosts}
    _refuse_twins(names, by_name)
    for host in hosts:
        name = names[host.name]
        found = next(iter(by_name.get(name, ())), None)
        yield _candidate(Candidate(host, name, found), reports[host.name], wish)


def _candidate(known: Candidate, report: Report, wish: Wish) -> Candidate:
    if known.agent is not None and known.agent.status == "suspended":
        return replace(
            known,
            fault="its agent is suspended",
            hint="activate it at the controller, then run the same command again",
        )
    if report.failure is not None:
        hint = report.hint or "let the host reach the controller's address, as agents do"
        return replace(known, fault=report.failure, hint=hint)
    is_it = known.agent is not None and report.answer["agent"] == known.agent.id
    works = is_it and report.answer["secret"] == _WORKS
    return replace(known, credential="kept" if works and not wish.rotate else "new")


def _refuse_twins(names: Mapping[str, str], agents: Mapping[str, Sequence[Agent]]) -> None:
    wanted = list(names.values())
    twins = sorted({name for name in wanted if wanted.count(name) > 1})
    if twins:
        raise ConfigError(
            f"two hosts are called {twins[0]}",
            hint=f"give each a name of its own by {_NAME} in the inventory",
        )
    double = sorted(name for name in set(wanted) if len(agents.get(name, ())) > 1)
    if double:
        raise ConfigError(
            f"the controller has {len(agents[double[0]])} agents called {double[0]}",
            why="which of them the host is to be would be a guess",
            hint=f"rename or delete all but one, or set {_NAME} in the inventory",
        )


@dataclass(frozen=True)
class Enrolled:
    """A host with what it is to be installed with, and its agent as it was before that.

    `credential` is empty where the host has not been visited, so that nothing was made for it.
    """

    host: Host
    agent: Agent | None
    credential: str


class Arrivals:
    """Enrolls hosts one by one, as the visit of each begins: who is not visited stays as they are.

    So an old credential ends no sooner than the host is there to take the new one, and nothing is
    made at the controller for a host that refuses the release.
    """

    def __init__(self, found: Iterable[Candidate], controller: Controller, wish: Wish) -> None:
        self._found = {each.host.name: each for each in found}
        self._controller = controller
        self._wish = wish
        self._made: dict[str, Enrolled] = {}

    def hosts(self) -> list[Host]:
        """Give the hosts to look at; in place of what is to be made stands what no host has."""
        return [
            self._host(each, each.agent.id if each.agent else _NO_ID, Secret(_NO_SECRET))
            for each in self._found.values()
        ]

    def enroll(self, host: Host) -> Host:
        """Give a host as it is to be installed: with its agent and its credential.

        Raises ControllerError. What was made and not installed is made good by the next call.
        """
        if host.name not in self._made:
            self._made[host.name] = self._enrolled(self._found[host.name])
        return self._made[host.name].host

    def all(self) -> list[Enrolled]:
        """Say of each host what was made."""
        return [self._made.get(name) or _as_it_was(each) for name, each in self._found.items()]

    def _enrolled(self, each: Candidate) -> Enrolled:
        wish, controller = self._wish, self._controller
        agent = each.agent or controller.make(each.name, wish.release, wish.tags)
        if each.credential == "kept":
            return Enrolled(self._host(each, agent.id, None), agent, "kept")
        secret = controller.credential(agent.id)
        # When it was last heard until now: by the new secret, that is news.
        return Enrolled(self._host(each, agent.id, secret), controller.agent(agent.id), "new")

    def _host(self, each: Candidate, agent_id: str, secret: Secret | None) -> Host:
        own = {
            "AIWM_ENABLED": "true",
            "AIWM_BASE_URL": self._wish.controller,
            "AIWM_AGENT_ID": agent_id,
        }
        if self._wish.over_http:
            own["AIWM_ALLOW_HTTP"] = "true"
        said = each.host.variables
        secrets = {name: value for name, value in _texts(said, "agent_secrets") if name != SECRET}
        if secret is not None and each.credential == "new":
            secrets[SECRET] = secret.reveal()
        variables = {
            **said,
            "agent_environment": {**dict(_texts(said, "agent_environment")), **own},
            "agent_secrets": secrets,
        }
        return replace(each.host, variables=variables)


def _as_it_was(each: Candidate) -> Enrolled:
    return Enrolled(each.host, each.agent, "kept" if each.credential == "kept" else "")


def _texts(variables: Mapping[str, Any], name: str) -> Iterable[tuple[str, Any]]:
    found = variables.get(name) or {}
    if not isinstance(found, Mapping):
        raise ConfigError(f"{name} in the inventory is no table of variables")
    return found.items()


@dataclass(frozen=True)
class Standing:
    """How a host ended: its agent, what was done, and what the controller sees of it.

    `online` holds once the controller has heard the version that runs there.
    """

    host: str
    agent: str = ""
    credential: str = ""
    what: str = ""
    version: str = ""
    liveness: str = ""
    online: bool = False
    fault: str = ""
    hint: str = ""
    changed: bool = field(default=False)


def standings(
    hosts: Sequence[Enrolled], rows: Mapping[str, Row], seen: Mapping[str, Agent]
) -> Iterator[Standing]:
    """Put together what the rollout says of each host and what the controller does."""
    for each in hosts:
        row = rows[each.host.name]
        before = each.agent or Agent("", "")
        agent = seen.get(before.id, before)
        good = row.what in ("holds", "had it")
        version = row.after or ""
        heard = each.credential == "kept" or _later(agent, before)
        online = good and heard and agent.liveness == "online" and agent.version == version
        fault = f"{row.loss.kind}: {row.loss.reason}" if row.loss else ""
        if good and not online:
            sees = f"{agent.version or 'no version'}, {agent.liveness if heard else 'never'}"
            fault = f"{version} runs, and the controller sees {sees}"
        yield Standing(
            each.host.name,
            agent.id,
            each.credential,
            row.what,
            version,
            agent.liveness,
            online,
            fault,
            changed=row.what == "holds",
        )


def _later(now: Agent, before: Agent) -> bool:
    return now.heard is not None and (before.heard is None or now.heard > before.heard)


def wait_online(
    hosts: Sequence[Enrolled],
    rows: Mapping[str, Row],
    controller: Controller,
    patience: Callable[[], bool],
) -> list[Standing]:
    """Ask the controller until it hears from all hosts on which the version runs.

    `patience` says whether to ask once more, also where the controller is away for a while. Gives
    how all of them stand; raises ControllerError.
    """
    while True:
        try:
            seen = {agent.id: agent for agent in controller.agents()}
        except ControllerAwayError:
            if not patience():
                raise
            time.sleep(POLL)
            continue
        found = list(standings(hosts, rows, seen))
        waiting = [each for each in found if each.what in ("holds", "had it") and not each.online]
        if not waiting or not patience():
            return found
        time.sleep(POLL)
