"""The clauses about what runs: the process manager, the process, its health."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from toolkit.contract.files import points_at
from toolkit.contract.model import Check, Expected, unknown
from toolkit.facts import HostFacts, ProcessFact, UnitFact
from toolkit.host.release import UNITS

UP = {"systemd": "active", "systemd-user": "active", "pm2": "online", "direct": "alive"}
MANAGER = "process manager"
NO_PROCESS = "no process"
SETTLED = 30  # seconds that a service which was restarted must have been up since
CLOCKS = 1.0  # seconds by which the clocks of files and of processes may differ


def manager(expected: Expected, facts: HostFacts) -> Iterator[Check]:
    """The process manager has the service up, and will have it up after a boot."""
    service, name = facts.service, expected.manager
    if service is None or name not in UP:
        found = f"state.json names {name}" if name else "state.json names none"
        yield unknown(MANAGER, " or ".join(UP), found)
        return
    if service.unit:
        yield _unit_file(expected, service.unit)
        yield _boot(f"{expected.service}.service", service.unit.enabled)
    if name == "systemd-user":
        yield _boot(f"lingering of {expected.user}", service.boot)
    if name == "pm2":
        yield _boot(f"pm2-{expected.user}.service", service.boot)
    why = f": {service.problem}" if service.problem else ""
    found, clause = f"{name}: {service.status}{why}", f"{name}: {UP[name]}"
    yield Check(MANAGER, service.status == UP[name], found, clause)


def _boot(unit: str, enabled: str) -> Check:
    return Check("start at boot", enabled == "enabled", enabled or "no unit", f"{unit} enabled")


def _unit_file(expected: Expected, unit: UnitFact) -> Check:
    file = unit.path or f"/etc/systemd/system/{expected.service}.service"
    found = file
    if unit.installed is None:
        found = f"absent, loaded from {unit.file}" if unit.file else "absent"
    elif unit.released is None:
        found = "the release has no such unit"
    elif unit.installed != unit.released:
        found = _difference(unit.installed, unit.released)
    elif unit.stale:
        found = "changed since systemd read it: daemon-reload is due"
    clause = f"{file} as in current/{UNITS}"
    return Check("unit file", found == file, found, clause)


def _difference(installed: str, released: str) -> str:
    """Name the first line that differs, without its value: someone may have put a secret there."""
    here, there = installed.splitlines(), released.splitlines()
    for number, line in enumerate(here):
        if number >= len(there) or line != there[number]:
            return f"line {number + 1} ({line.partition('=')[0].strip() or 'empty'}) differs"
    return f"ends after line {len(here)} of {len(there)}"


def process(expected: Expected, facts: HostFacts) -> Iterator[Check]:
    """The process is the right user's, comes from the right version, and keeps running."""
    user, running = expected.user or "the service's user", facts.process
    if running is None or (running.problem and not running.user):
        found = running.problem if running else NO_PROCESS
        yield Check("process's user", False, found, user)
        yield Check("process's version", False, found, expected.folder)
    else:
        yield Check("process's user", running.user == expected.user, running.user, user)
        yield _version(expected, facts, running)
    yield _restarts(facts)


def _version(expected: Expected, facts: HostFacts, running: ProcessFact) -> Check:
    """Most services are called through `current`: then one that began after it was switched."""
    name, clause = "process's version", expected.folder
    releases = [path for path in running.paths if path.startswith("releases/")]
    if releases:
        return Check(name, releases == [clause], ", ".join(releases), clause)
    link = facts.paths["current"]
    if "current" in running.paths and link.kind == "link":
        late = running.started - link.changed
        if not points_at(link, expected):
            return Check(name, False, f"current -> {link.target}", clause)
        if late < -CLOCKS:
            found = f"current, but began {-late:.0f} s before it pointed there"
            return Check(name, False, found, clause)
        return Check(name, True, "current, begun since it points there", clause)
    if running.problem:
        return unknown(name, clause, f"{running.problem} (only root and {running.user} may see)")
    return Check(name, False, f"nothing in {expected.home}/releases", clause)


def _restarts(facts: HostFacts) -> Check:
    name, clause = "restarts", f"none in the last {SETTLED} s"
    count = facts.service.restarts if facts.service else None
    if facts.process is None:
        return Check(name, False, NO_PROCESS if count is None else f"{count}, {NO_PROCESS}", clause)
    if count is None:
        return unknown(name, clause, "there is no count")
    up = facts.now - facts.process.started
    return Check(name, count == 0 or up >= SETTLED, f"{count}, up for {up:.0f} s", clause)


def health(expected: Expected, facts: HostFacts) -> Iterator[Check]:
    """The health gate holds, seen from the host itself."""
    gate, answer = expected.release.health, facts.health
    if gate is None or not gate.target:  # whether it is ready is then its manager's word
        return
    clauses = {
        "http": "{} answers 200 to 299",
        "tcp": "{} takes connections",
        "command": "`{}` exits with 0",
    }
    clause = clauses[gate.kind].format(shlex.join(gate.target))
    if answer is None:
        yield unknown("health", clause, "nobody asked")
    else:
        yield Check("health", answer.holds, answer.found, clause)
