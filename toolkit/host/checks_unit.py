"""The checks of `agentctl doctor` on the service itself: its health, its unit, its sandbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from toolkit.host.checks import FAIL, WARN, Check, ok
from toolkit.host.commands import run
from toolkit.host.errors import AgentctlError, CommandFailed
from toolkit.host.layout import Layout
from toolkit.host.release import UNITS
from toolkit.host.state import State
from toolkit.host.status import status

SECONDS = 10.0
_PROPERTIES = (
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "LoadState",
)
# What agentctl itself writes beside a unit.
_OWN = ("10-host.conf", "zz-trial.conf")
_MARK = "# Written by agentctl"
_RESULTS = {
    "exit-code": "its program ended with an error",
    "signal": "its program was killed by a signal",
    "core-dump": "its program crashed",
    "oom-kill": "it needed more memory than it may have",
    "timeout": "it took too long to start or to stop",
    "watchdog": "it hung: its watchdog got no answer",
    "start-limit-hit": "it ended too often in too short a time, and systemd gave up",
    "resources": "systemd could not make what it needs, such as a folder, a user or memory",
}


def check_service(layout: Layout, state: State) -> Check:
    """Look whether the service runs and its health gate holds."""
    try:
        found = status(layout)
    except AgentctlError as error:
        return Check("service", FAIL, error.message, do=error.hint)
    if found["healthy"]:
        return ok("service", f"{state.service} {found['version']} runs and is healthy")
    runs = "runs, but is not healthy" if found["running"] else "does not run"
    do = f"look at its log: sudo {layout.agentctl} logs"
    return Check("service", FAIL, f"{state.service} {found['version']} {runs}", found["fault"], do)


def check_unit(layout: Layout, state: State) -> Check:
    """Compare the unit with the release's, and look how it fares."""
    unit = f"{state.service}.service"
    facts = _shown(unit)
    return (
        _missing(unit, facts, layout)
        or _standing(unit, facts, state)
        or _changed(unit, facts, layout)
        or _restarted(unit, facts, layout)
        or ok("unit", f"{unit} is as the release has it, enabled and active")
    )


def _shown(unit: str) -> Mapping[str, str]:
    argv = ["systemctl", "show", unit, *(f"--property={name}" for name in _PROPERTIES)]
    lines = run(argv, timeout=SECONDS).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _missing(unit: str, facts: Mapping[str, str], layout: Layout) -> Check | None:
    again = "run the install script again"
    state = facts["LoadState"]
    if state == "masked":
        return Check(
            "unit",
            FAIL,
            f"{unit} is masked: nothing can start it",
            "somebody did that on purpose",
            f"sudo systemctl unmask {unit}",
        )
    if state != "loaded":
        return Check(
            "unit",
            FAIL,
            f"systemd can't use {unit} ({state})",
            "the file is gone or damaged",
            again,
        )
    ours = layout.current / UNITS / unit
    if not ours.is_file():
        return Check("unit", FAIL, f"{ours} is gone", "the release is not whole", again)
    return None


def _standing(unit: str, facts: Mapping[str, str], state: State) -> Check | None:
    if facts["ActiveState"] not in ("active", "reloading"):
        why = _RESULTS.get(facts["Result"], "somebody stopped it, or it never started")
        do = f"sudo systemctl start {unit}; if it ends again: sudo journalctl -u {unit} -n 50"
        what = f"{unit} is {facts['ActiveState']} ({facts['SubState']})"
        return Check("unit", FAIL, what, why, do)
    if facts["UnitFileState"] != "enabled":
        return Check(
            "unit",
            FAIL,
            f"{unit} is {facts['UnitFileState'] or 'not enabled'}",
            f"{state.service} will not start when the host starts",
            f"sudo systemctl enable {unit}",
        )
    return None


def _changed(unit: str, facts: Mapping[str, str], layout: Layout) -> Check | None:
    if facts["NeedDaemonReload"] == "yes":
        return Check(
            "unit",
            WARN,
            f"{unit} or a drop-in was changed, and systemd has not read it",
            "what runs is what stood there before",
            "sudo systemctl daemon-reload",
        )
    path = Path(facts["FragmentPath"])
    if path.read_bytes() != (layout.current / UNITS / unit).read_bytes():
        return Check(
            "unit",
            WARN,
            f"{path} is not as the release has it",
            "somebody changed it; the next upgrade takes the change away",
            "put changes of this host into a drop-in: sudo systemctl edit " + unit,
        )
    others = [path for path in facts["DropInPaths"].split() if not _own(Path(path))]
    if others:
        return Check(
            "unit",
            WARN,
            f"somebody else's drop-ins change it: {', '.join(others)}",
            "they may be meant so; what runs is not the release's unit alone",
            f"read them: systemctl cat {unit}",
        )
    return None


def _own(drop_in: Path) -> bool:
    try:
        return drop_in.name in _OWN or drop_in.read_text("utf-8", "replace").startswith(_MARK)
    except OSError:
        return False


def _restarted(unit: str, facts: Mapping[str, str], layout: Layout) -> Check | None:
    count = int(facts["NRestarts"] or 0)
    if not count:
        return None
    times = "once" if count == 1 else f"{count} times"
    return Check(
        "unit",
        WARN,
        f"systemd had to start {unit} again {times}",
        "its program ended by itself since it was started last",
        f"look why it ended: sudo {layout.agentctl} logs --since 1d",
    )


def check_sandbox(state: State) -> Check:
    """Give systemd's own figure of how much the unit may do: 0 nothing, 10 everything."""
    unit = f"{state.service}.service"
    try:
        said = run(["systemd-analyze", "security", "--no-pager", unit], timeout=SECONDS)
    except CommandFailed as error:
        return ok(
            "sandbox", f"systemd-analyze gives no figure here: {error.message.splitlines()[0]}"
        )
    figure = re.search(r"exposure level for \S+: ([\d.]+)", said)
    if figure is None:
        return ok("sandbox", "systemd-analyze gives no figure here")
    return ok("sandbox", f"systemd-analyze security gives {unit} {figure[1]} (0 closed, 10 open)")
