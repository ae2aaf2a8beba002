"""The verbs of agentctl for the person on the host; beside cli.py, this alone prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.host.accounts import Account, find_account
from toolkit.host.errors import AgentctlError, UsageError
from toolkit.host.layout import Layout
from toolkit.host.state import State, read_state

if TYPE_CHECKING:
    from toolkit.host.checks import Check

INTERRUPTED = 130
UNWELL = 3
LINES = 100
WIDTH = 100
_OUTCOMES = {"running": "succeeded", "installing": "is under way, or was cut off"}


def _logs(arguments: argparse.Namespace) -> int:
    from toolkit.host.logs import Wanted, show
    from toolkit.host.since import parse_since

    layout = Layout(arguments.home.absolute())
    since = parse_since(arguments.since, datetime.now().astimezone()) if arguments.since else None
    lines = LINES if arguments.lines is None and since is None else arguments.lines
    if lines is not None and lines < 0:
        raise UsageError("-n is below 0", hint="name a number of lines, such as -n 50")
    try:
        show(layout, _state(layout), Wanted(lines, since, arguments.follow), _line)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def status_lines(found: Mapping[str, Any], now: datetime) -> list[str]:
    """Give what `status` found, the most important first, as lines for a person."""
    from toolkit.host.checks import ago
    from toolkit.host.clock import parse_time, shown

    def when(text: str) -> str:
        at = parse_time(text)
        return f"{shown(at)} ({ago(at, now)})"

    last, name = found["last_attempt"], found["service"]
    how = _OUTCOMES.get(last["what"], last["what"])
    word = "healthy" if found["healthy"] else f"NOT healthy: {found['fault']}"
    rows = {
        "version": found["version"] + (f", channel {found['channel']}" if found["channel"] else ""),
        "running": f"since {when(found['since'])}" if found["since"] else "no",
        "process": f"{found.get('pid') or 'none'}, of user {found['user']}",
        "manager": _under(found),
        "on trial": _on_trial(found["trial"]),
        "last attempt": f"{last['version']} {how}, {when(last['at'])}: {last['reason']}",
        "follows": _follows(found),
        "pinned": f"to {found['pinned']}: no other version may run" if found["pinned"] else "",
        "paused": _paused(found["paused"], now),
        "before": found["previous"],
        "folder": found["home"],
        "store": found["store"],
    }
    lines = [_indented(f"{name} {found['version']} under {found['manager']}: ", word), ""]
    lines += [_indented(f"  {label:<13} ", text) for label, text in rows.items() if text]
    if not found["healthy"]:
        agentctl = Layout(Path(found["home"])).agentctl
        lines += ["", f"  look further: sudo {agentctl} logs; sudo {agentctl} doctor"]
    return lines


def _on_trial(trial: Mapping[str, Any] | None) -> str:
    if trial is None:
        return ""
    return f"{trial['version']}, since {trial['began']}; {trial['before']} returns unless it holds"


def _follows(found: Mapping[str, Any]) -> str:
    from toolkit.host.follow import parse_follow

    follow = parse_follow(found["follow"])
    return follow.spoken() if follow else ""


def _paused(paused: Mapping[str, Any] | None, now: datetime) -> str:
    from toolkit.host.clock import parse_time, shown

    if paused is None:
        return ""
    until = parse_time(paused["until"]) if paused["until"] else None
    if until is not None and until <= now:
        return ""
    return f"until {shown(until)}" if until else "until somebody says `resume`"


def _under(found: Mapping[str, Any]) -> str:
    restarts = found.get("restarts", 0)
    times = {0: "not restarted", 1: "restarted once"}.get(restarts, f"restarted {restarts} times")
    says = found.get("manager_says")
    return f"{found['manager']}, {times} by itself" + (f"; it says: {says}" if says else "")


def _doctor(arguments: argparse.Namespace) -> int:
    from toolkit.host.checkup import checkup
    from toolkit.host.storeheader import sending

    layout = Layout(arguments.home.absolute())
    state = _state(layout)
    store = arguments.store or state.store
    with sending(arguments.store_header_file, store):
        checks = checkup(layout, state, store, _now)
    if arguments.json:
        print(json.dumps(_findings(state, checks), indent=2))
    else:
        _print_checks(checks)
    return UNWELL if any(check.level == "fail" for check in checks) else 0


def _findings(state: State, checks: Sequence[Check]) -> dict[str, object]:
    return {
        "service": state.service,
        "version": state.version,
        "ok": all(check.level != "fail" for check in checks),
        "checks": [asdict(check) for check in checks],
    }


def _print_checks(checks: Sequence[Check]) -> None:
    for check in checks:
        word = check.level.upper() if check.level == "fail" else check.level
        print(_indented(f"{word:<5} {check.name:<12} ", check.what))
        if check.level != "ok":
            for label, text in (("why", check.why), ("do", check.do)):
                if text:  # never wrapped: what is to be done is there to be copied
                    print(f"{'':<18} {f'{label}:':<4} {text}")
    counts = Counter(check.level for check in checks)
    print()
    if counts["fail"] or counts["warn"]:
        print(f"{_many(counts['fail'], 'fault')}, {_many(counts['warn'], 'warning')}")
    else:
        print("all is well")


def _many(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _indented(head: str, text: str) -> str:
    """Wrap a text beside its head; a word that is a command's stays whole."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _support_bundle(arguments: argparse.Namespace) -> int:
    from toolkit.host.bundle import Look, pack
    from toolkit.host.checkup import checkup
    from toolkit.host.files import write_atomic
    from toolkit.host.status import status

    layout = Layout(arguments.home.absolute())
    state = _state(layout)
    at = _now()
    output = arguments.output or Path(f"{state.service}-support-{at:%Y%m%dT%H%M%SZ}.tar.gz")
    if os.path.lexists(output):
        raise UsageError(f"{output} is there already", hint="name another file by --output")
    try:
        seen = status(layout)
    except AgentctlError as error:
        seen = {"error": error.message}
    checks = checkup(layout, state, state.store, _now)
    data = pack(layout, state, Look(seen, [asdict(check) for check in checks]), at)
    write_atomic(output.absolute(), data, 0o600, _caller())
    print(f"{output.absolute()} ({len(data) / 1000:.0f} kB)")
    print("Known secrets were taken out. Look into it before you send it:")
    print(f"  tar -xzOf {output} | less")
    return 0


def _caller() -> Account | None:
    """Give whoever called sudo: the bundle is for them."""
    uid = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not uid.isdecimal():
        return None
    return find_account(os.environ.get("SUDO_USER", ""))


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _line(text: str) -> None:
    print(text, flush=True)


def _state(layout: Layout) -> State:
    state = read_state(layout)
    if state is None:
        raise UsageError(
            f"no service is installed in {layout.home}",
            hint="install one, or name the folder with --home",
        )
    return state


def _restart(arguments: argparse.Namespace) -> int:
    from toolkit.host.console import speaking
    from toolkit.host.restart import restart

    layout = Layout(arguments.home.absolute())
    state = _state(layout)
    version = restart(layout, speaking(quiet=False))
    print(f"[INFO] {state.service} {version} was started anew and is healthy")
    return 0


RUNS = {
    "logs": _logs,
    "doctor": _doctor,
    "restart": _restart,
    "support-bundle": _support_bundle,
}
