"""What the process managers say of the service: systemd, PM2, or a process id in a file."""

from __future__ import annotations

import json
import pwd
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolkit.probe.commands import Command, Outcome, run
from toolkit.probe.files import Facts, text_of, user_name
from toolkit.probe.process import STARTED

UNITS = Path("/etc/systemd/system")
LINGER = Path("/var/lib/systemd/linger")
UNIT_KEYS = (
    "ActiveState",
    "FragmentPath",
    "MainPID",
    "NRestarts",
    "NeedDaemonReload",
    "UnitFileState",
)
DIRECT_FILES = ("agent.pid", "supervisor.pid", "restarts")
PM2_DAEMON = re.compile(r"^PM2 v\S+: God Daemon \((.+?)\)")


def systemd_fact(service: str, home: Path) -> Facts:
    """Ask systemd about the unit; its file's text comes with that of the release."""
    unit = f"{service}.service"
    show = Command(["systemctl", "show", "--property", ",".join(UNIT_KEYS), "--", unit])
    return _unit_fact(show, UNITS / unit, home / "current/toolkit/units" / unit)


def systemd_user_fact(service: str, home: Path, user: str | None) -> Facts:
    """Ask the user's own systemd, and whether it runs with nobody logged in."""
    try:
        entry = pwd.getpwnam(user or "")
    except KeyError:
        return {"status": "unknown", "problem": f"there is no user {user}"}
    unit = f"{service}.service"
    words = ["systemctl", "--user", "show", "--property", ",".join(UNIT_KEYS), "--", unit]
    environment = {"XDG_RUNTIME_DIR": f"/run/user/{entry.pw_uid}"}
    show = Command(words, user=user, environment=environment)
    path = Path(entry.pw_dir, ".config/systemd/user", unit)
    fact = _unit_fact(show, path, home / "current/toolkit/units/user" / unit)
    return {**fact, "boot": "enabled" if (LINGER / str(user)).exists() else "not enabled"}


def _unit_fact(show: Command, path: Path, released: Path) -> Facts:
    done = run(show)
    shown = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    if done.code != 0 or not shown.keys() >= set(UNIT_KEYS):
        return {"status": "unknown", "problem": done.why or "systemd says nothing"}
    return {
        "status": shown["ActiveState"],
        "pid": int(shown["MainPID"]),
        "restarts": int(shown["NRestarts"]),
        "unit": {
            "file": shown["FragmentPath"],
            "enabled": shown["UnitFileState"],
            "stale": shown["NeedDaemonReload"] == "yes",
            "path": str(path),
            "installed": text_of(path)["text"],
            "released": text_of(released)["text"],
        },
    }


def pm2_fact(service: str, user: str | None, argv: Sequence[str]) -> Facts:
    """Ask the user's PM2 about the app, by `argv`.

    Its list holds whole environments, secrets too, so three fields of it are passed on.
    """
    boot = run(Command(["systemctl", "is-enabled", "--", f"pm2-{user}.service"]))
    fact: Facts = {"status": "absent", "problem": f"no PM2 of user {user} runs"}
    for folder in _pm2_folders(user):
        done = run(Command([*argv, "jlist"], user=user, environment={"PM2_HOME": folder}))
        fact = _app(done, service)
        if fact["status"] != "absent":
            break
    return {**fact, "boot": boot.out.strip()}


def _app(done: Outcome, service: str) -> Facts:
    try:
        # Above its list, PM2 may speak of other things.
        lists = [line for line in done.out.splitlines() if line.startswith("[")]
        app = next((app for app in json.loads(lists[-1]) if app["name"] == service), None)
        if app is None:
            return {"status": "absent"}
        own = app["pm2_env"]
        return {"status": own["status"], "pid": app["pid"] or 0, "restarts": own["restart_time"]}
    except (ValueError, KeyError, TypeError, IndexError):
        return {"status": "unknown", "problem": done.why or "`pm2 jlist` gave no list"}


def _pm2_folders(user: str | None) -> Iterator[str]:
    """Find the folders of the user's PM2 daemons: where none runs, `pm2 jlist` would start one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            match = PM2_DAEMON.match(b" ".join(words).decode("utf-8", "replace"))
            if match and user_name(process.stat().st_uid) == user:
                yield match[1]
        except OSError:  # it ended meanwhile
            continue


def direct_fact(home: Path) -> Facts:
    """Read the process ids that agentctl's supervisor wrote, and see which of them live."""
    written = {name: text_of(home / "run" / name) for name in DIRECT_FILES}
    problems = [fact["problem"] for fact in written.values() if "problem" in fact]
    if problems:
        return {"status": "unknown", "problem": f"run/: {problems[0]}"}
    agent, supervisor = (_living(written[name]["text"]) for name in DIRECT_FILES[:2])
    restarts = (written["restarts"]["text"] or "").strip()
    status = ("alive" if supervisor else "without its supervisor") if agent else "dead"
    return {
        "status": status,
        "pid": agent,
        "restarts": int(restarts) if restarts.isdecimal() else None,
    }


def _living(text: str | None) -> int:
    """Give the process id in `PID STARTED` (see proc(5)) if it is still that process, else 0."""
    numbers = (text or "").split()
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        return 0
    stat = text_of(Path("/proc", numbers[0], "stat"))["text"] or ""
    fields = stat.rpartition(")")[2].split()
    # Z is a process that ended and that nobody has asked about.
    lives = bool(fields) and fields[0] != "Z" and fields[STARTED] == numbers[1]
    return int(numbers[0]) if lives else 0
