"""What a machine is seen to come back with after its power was cut, and the table of that."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.driven import Driven
from tests.support.machine import Machine
from tests.support.releases import Released, tiny_with_ballast
from tests.support.virtual import Writeback

OLD, NEW = "1.0.0", "1.1.0"
HOME = "/opt/tiny"
UNINSTALL = ["uninstall", "--home", HOME]
# What a machine has an answer to within, from the end of its boot.
SECONDS = 60
_FOLDER = "/srv/driven"
_UNITS = "/etc/systemd/system"
_LOOK = Path(__file__).with_name("look.py")
# What is left of a trial that has ended.
_REMNANTS = f"ls -d {HOME}/.trial.new {_UNITS}/*revert* {_UNITS}/*/*revert* {_UNITS}/*.was"
# What is left of a service that was uninstalled.
_TRACES = f"ls -d {HOME} {_UNITS}/tiny* {_UNITS}/*/tiny*"


@dataclass(frozen=True)
class Row:
    """One cut: what the machine came back with, and when it answered, in seconds."""

    verb: str
    point: str
    writeback: Writeback
    booted: float
    answered: float | None
    settled: float | None
    version: str
    outcome: str


@dataclass
class Scene:
    """The machine, what it is offered, and what was seen of it."""

    machine: Machine
    driven: Driven
    offers: dict[str, list[str]]
    rows: list[Row] = field(default_factory=list)
    runs: str | None = None

    def must(self, verb: list[str]) -> None:
        done = self.driven.run(verb, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    def look(self, seconds: float) -> dict[str, Any]:
        argv = ["python3", f"{_FOLDER}/look.py", f"{_FOLDER}/agentctl", HOME, f"{seconds}"]
        done = self.machine.run(argv, user="root", timeout=seconds + 120)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def next(self) -> tuple[str, str]:
        """See to it that a version runs; gives it, and the other one."""
        before = self.on() or self.look(0)["version"]
        if before is None:
            self.must(self.offers[OLD])
            before = OLD
        self.runs = None
        return before, NEW if before == OLD else OLD

    def on(self) -> str | None:
        """Have the machine switched on; gives the version that is known to run."""
        if not self.machine.is_on():
            self.machine.start()
            self.runs = None
        return self.runs

    def forget(self, version: str) -> None:
        """Remove a version, so that it is staged like one that was never here."""
        self.machine.run(["rm", "-rf", f"{HOME}/releases/{version}"], user="root")

    def cut(self) -> Writeback:
        """Cut the power and give it back; unsynced data fares differently the next time."""
        self.machine.kill()
        lost = self.machine.writeback
        self.machine.writeback = next(other for other in Writeback if other is not lost)
        self.machine.start()
        return lost

    def note(self, verb: str, point: str, lost: Writeback, found: dict[str, Any]) -> None:
        state = found["state"] or {}
        row = Row(
            verb,
            point,
            lost,
            found["multi_user"],
            found["answered"],
            found["settled"],
            found["version"] or "none",
            state.get("outcome", "none"),
        )
        self.rows.append(row)
        say([row])

    def whole(self, found: dict[str, Any]) -> None:
        """Nothing that is half can be seen, whatever was lost."""
        assert found["half"] == []
        assert found["damaged"] == []
        assert found["empty"] == []

    def came_back(self, verb: str, point: str, lost: Writeback, before: str, after: str) -> None:
        """One whole version runs in time, and what is noted of it is true."""
        found = self.look(SECONDS + 60)
        self.note(verb, point, lost, found)
        self.whole(found)
        version, state = found["version"], found["state"]
        assert version in (before, after), self.journal()
        assert version == found["link"] == state["version"], found
        assert found["processes"] == 1, found
        # The boot itself takes what it takes, much more without KVM; from its end on it counts.
        assert found["answered"] - found["multi_user"] < SECONDS, found
        assert found["settled"] is not None, self.journal()
        last = found["history"][-1]
        assert state["outcome"] in ("running", "reverted"), found
        if state["outcome"] == "reverted":
            assert (last["what"], last["version"], last["before"]) == ("reverted", after, before)
            assert "host was started anew" in last["reason"], last
            # A lost power is no version's fault; what people went back from stays noted.
            reasons = {entry["reason"] for entry in state["failed"].values()}
            assert reasons <= {"an operator went back from it"}, state
        else:
            assert last["what"] in ("installed", "upgraded", "rolled back", "reverted"), last
            assert last["version"] == version, last

    def completes(self, verb: list[str], version: str) -> None:
        """The same call, made again, ends well and leaves nothing over."""
        self.must(verb)
        found = self.look(10)
        self.whole(found)
        state = found["state"]
        assert (found["version"], found["link"], state["version"]) == (version,) * 3, found
        assert (state["outcome"], found["processes"]) == ("running", 1), found
        self.runs = version
        assert self.listed(_REMNANTS) == ""

    def gone(self) -> None:
        """Nothing is left of the service, neither files nor units nor processes."""
        assert self.listed(_TRACES) == ""
        assert self.look(0)["processes"] == 0
        self.runs = None

    def listed(self, command: str) -> str:
        return self.machine.run(["sh", "-c", command], check=False).stdout

    def journal(self) -> str:
        """Give the end of the machine's journal."""
        argv = ["journalctl", "--no-pager", "--boot", "--lines", "60", "--unit", "tiny*"]
        return self.machine.run(argv, user="root", check=False).stdout


def say(rows: Sequence[Row]) -> None:
    for row in rows:
        times = [f"{value:.1f}" if value else "-" for value in (row.booted, row.answered)]
        settled = f"{row.settled:.1f}" if row.settled else "-"
        words = (row.verb, row.point, row.writeback.name, *times, settled, row.version, row.outcome)
        sys.stderr.write(f"| {' | '.join(words)} |\n")


@contextmanager
def scene(machine: Machine, work: Path) -> Iterator[Scene]:
    """Offer two versions of an agent to a machine; what was seen of it is printed at the end."""
    driven = Driven.on(machine, "tiny")
    machine.put(_LOOK, f"{_FOLDER}/look.py", owner="root")
    offers = {}
    for version in (OLD, NEW):
        offers[version] = driven.offer(_released(work / version, version))
    # What the tests themselves need is no part of what may be lost.
    machine.run(["sync"])
    made = Scene(machine, driven, offers)
    yield made
    sys.stderr.write(f"\n{machine.way.name}; seconds since the kernel began\n")
    sys.stderr.write("| verb | cut | not synced | booted | answered | settled | runs | state |\n")
    say(made.rows)


def _released(work: Path, version: str) -> Released:
    return tiny_with_ballast(work / "project", work / "dist", version=version)
