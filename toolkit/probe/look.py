"""Answers one question about one service with everything that the contract needs."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from toolkit.probe.drift import drift_fact
from toolkit.probe.files import Facts, path_fact, text_of, tree_fact, user_name, variables_fact
from toolkit.probe.health import health_fact
from toolkit.probe.managers import direct_fact, pm2_fact, systemd_fact, systemd_user_fact
from toolkit.probe.process import process_fact
from toolkit.probe.system import system_fact

MARK = "toolkit-facts:"
SECONDS = 60


def main(question: str) -> None:
    """Print the facts on a line of their own, since a login shell may print other things."""
    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(SECONDS)
    sys.stdout.write(f"\n{MARK}{json.dumps(look(json.loads(question)))}\n")


def look(question: Facts) -> Facts:
    """Gather the facts; the question's and the answer's words are those of toolkit/facts.py."""
    home = Path(question["home"])
    state = text_of(home / "state.json")
    known = _known(question, state["text"], home)
    facts = {"login": user_name(os.geteuid()), "now": time.time(), "state": state, **known}
    release = f"releases/{known['version'] or '?'}"
    names = [".", "current", ".env", "logs", "workspace", release, f"{release}/.complete"]
    if question.get("deep"):
        facts["system"] = system_fact(question["service"], known["manager"])
    facts["paths"] = {name: path_fact(home / name) for name in names}
    if facts["paths"]["."]["kind"] != "folder":
        return facts
    facts["tree"] = tree_fact(home / release)
    if question.get("deep") and facts["tree"]:
        facts["drift"] = drift_fact(home / release)
    if question["variables"]:
        facts["variables"] = variables_fact(home / ".env")
    facts["service"] = _service(question, known, home)
    if facts["service"] and facts["service"].get("pid"):
        facts["process"] = process_fact(facts["service"]["pid"], home)
    if question["health"]:
        kind, *target = question["health"]
        facts["health"] = health_fact(kind, target, known["user"])
    return facts


def _too_slow(number: int, frame: object) -> None:
    del number, frame
    raise SystemExit(f"the look did not end in {SECONDS} s")


def _known(question: Facts, state: str | None, home: Path) -> Facts:
    """Give the version, manager and user that were asked for, else those of state.json."""
    try:
        said = json.loads(state or "{}")
    except ValueError:
        said = {}
    known = {}
    for key in ("version", "manager", "user"):
        value = said.get(key) if isinstance(said, dict) else None
        known[key] = question[key] or (value if isinstance(value, str) else None)
    if not known["version"] and (home / "current").is_symlink():
        known["version"] = (home / "current").readlink().name
    return known


def _service(question: Facts, known: Facts, home: Path) -> Facts | None:
    service, manager = question["service"], known["manager"]
    if manager == "systemd":
        return systemd_fact(service, home)
    if manager == "systemd-user":
        return systemd_user_fact(service, home, known["user"])
    if manager == "pm2":
        bundled = [str(home / part) for part in question["bundled_pm2"]]
        whole = bool(bundled) and all(Path(part).exists() for part in bundled)
        return pm2_fact(service, known["user"], bundled if whole else ["pm2"])
    return direct_fact(home) if manager == "direct" else None
