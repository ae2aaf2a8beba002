"""Decides what an installation has to do; nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass

CHECKS = ("health",)


@dataclass(frozen=True)
class Facts:
    """What stands on the host, for a release that is staged.

    `version` and `manager` are those that are in use now, None for neither; `interrupted`
    says that an earlier run changed something and did not come to its end, so that what runs
    may be older than what is configured; `configured` says whether the wanted manager knows
    all that it must, `running` whether it runs the service.
    """

    version: str | None
    manager: str | None
    interrupted: bool
    settings_differ: bool
    configured: bool
    running: bool


def plan(version: str, manager: str, facts: Facts) -> tuple[str, ...]:
    """Give the steps, in order, that make `version` run under `manager`.

    The last one is always `health`, which changes nothing; where it is alone, the host was
    as it should be.
    """
    leave = facts.manager not in (None, manager)
    switch = facts.version != version
    configure = leave or switch or facts.interrupted or not facts.configured
    start = configure or facts.settings_differ or not facts.running
    wanted = {
        "leave": leave,
        "settings": facts.settings_differ,
        "switch": switch,
        "configure": configure,
        "start": start,
        "health": True,
    }
    return tuple(step for step, needed in wanted.items() if needed)
