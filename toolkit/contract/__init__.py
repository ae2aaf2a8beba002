"""The host contract: what must hold on a host where a release runs, held against what was found.

In order: the folder and the version in it, settings and state, the process manager, the process,
its health. Nothing here looks at a host: toolkit/probe does, in the words of toolkit/facts.py.
"""

from __future__ import annotations

from toolkit.contract import files, running
from toolkit.contract.model import (
    INSTALLED,
    Check,
    Expected,
    Given,
    Verdict,
    required_variables,
    unknown,
)
from toolkit.facts import HostFacts, Question
from toolkit.host.release import NODE, PM2, Release, default_home, resolve

__all__ = ["Check", "Expected", "Given", "Verdict", "evaluate", "expectations", "question"]


def question(release: Release, given: Given) -> Question:
    """Say what to look at on a host."""
    home = given.home or default_home(release.service.name)
    health = release.health
    target = [resolve(word, release, home) for word in health.target] if health else []
    return Question(
        service=release.service.name,
        home=home,
        version=given.version,
        manager=given.manager,
        user=_named_user(release, home),
        variables=required_variables(release),
        health=(health.kind, *target) if health and target else (),
        bundled_pm2=(f"current/{NODE}", f"current/{PM2}") if release.runtime.pm2 else (),
    )


def expectations(release: Release, given: Given, facts: HostFacts) -> Expected:
    """Say what must hold; what the caller left open is what the host's state.json names."""
    home = given.home or default_home(release.service.name)
    return Expected(
        release=release,
        home=home,
        version=given.version or facts.version,
        manager=given.manager or facts.manager,
        user=_named_user(release, home) or facts.user,
    )


def _named_user(release: Release, home: str) -> str | None:
    """Give the user that the release names; in a private folder it is whoever installed it."""
    return release.service.user if home == default_home(release.service.name) else None


def evaluate(expected: Expected, facts: HostFacts) -> tuple[Check, ...]:
    """Hold the facts against the contract; where nothing is installed, that is the one answer."""
    home = facts.paths["."]
    if home.kind == "absent":
        return (Check(INSTALLED, False, f"there is no {expected.home}", expected.home),)
    if home.kind == "unknown":
        return (unknown("home folder", expected.home, home.problem),)
    return (
        files.home_folder(expected, facts),
        files.release_whole(expected, facts),
        files.release_protected(expected, facts),
        *files.as_released(expected, facts),
        files.current_link(expected, facts),
        *files.environment(expected, facts),
        files.own_folder("logs", expected, facts),
        files.own_folder("workspace", expected, facts),
        files.state(expected, facts),
        *running.manager(expected, facts),
        *running.process(expected, facts),
        *running.health(expected, facts),
    )
