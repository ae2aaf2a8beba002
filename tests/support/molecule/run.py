"""Runs scenarios side by side, and says at the end how long each took.

    python -m tests.support.molecule.run                 all but vm, two at once
    python -m tests.support.molecule.run default pm2     these
    python -m tests.support.molecule.run --at-once 1 vm

What a scenario prints goes to build/molecule/NAME.log, and is shown where it fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.support.foreseen import missed, runs
from tests.support.molecule.keeper import down
from tests.support.molecule.made import MADE, collections, offer
from tests.support.releases import TOP

_BIN = Path(sys.executable).parent
_SLOW = ("vm",)
# The longest first, so that none runs on alone at the end.
_ORDER = ("aiwm", "upgrade", "default", "pm2", "rollback", "offline", "user-unit", "docker")
# What Molecule says, and goes on, where a file of a scenario is not there.
_SILENCES = ("Missing playbook", "no tests found", "verifier is disabled", "Unable to parse")
_SECONDS = 1800


@dataclass(frozen=True)
class Ran:
    """How a scenario went; `fault` is empty where it went well."""

    scenario: str
    seconds: float
    fault: str


def main() -> int:
    given = _arguments()
    wanted = given.scenarios or [name for name in scenarios() if name not in _SLOW]
    began = time.monotonic()
    print("making the collection and the releases, where they are not there yet", flush=True)
    collections()
    offer("frail")
    shared = time.monotonic() - began
    ran = list(run_all(sorted(wanted, key=_place), given.at_once))
    print(table(ran, shared, time.monotonic() - began))
    return 1 if any(each.fault for each in ran) else 0


def scenarios() -> list[str]:
    """Give the names of all scenarios."""
    return sorted(file.parent.name for file in TOP.glob("molecule/*/molecule.yml"))


def run_all(wanted: Sequence[str], at_once: int) -> Iterable[Ran]:
    """Run scenarios, so many at once, and give how each went as it ends."""
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for done in as_completed([pool.submit(run, name) for name in wanted]):
                ran = done.result()
                print(f"{ran.scenario}: {ran.fault or 'ok'}, {ran.seconds:.0f} s", flush=True)
                if ran.fault:
                    print(_log(ran.scenario).read_text("utf-8", "replace"), flush=True)
                yield ran
        finally:
            pool.shutdown(cancel_futures=True)


def run(scenario: str) -> Ran:
    """Run `molecule test` of a scenario, in a process of its own."""
    began = time.monotonic()
    argv = [str(_BIN / "molecule"), "test", "--scenario-name", scenario]
    noted = MADE / f"{scenario}.foresight.jsonl"
    noted.unlink(missing_ok=True)
    try:
        with _log(scenario).open("wb") as log:
            done = subprocess.run(
                argv,
                cwd=TOP,
                env={**_environ(os.environ), "FORESIGHT": str(noted)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                check=False,
            )
        fault = f"molecule exited with {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        fault = f"no end after {_SECONDS} s"
    finally:
        down(scenario)  # where Molecule was cut off
    said = _log(scenario).read_text("utf-8", "replace")
    silence = next((f"molecule said: {text}" for text in _SILENCES if text in said), "")
    return Ran(scenario, time.monotonic() - began, fault or silence or _unforeseen(scenario, noted))


def _unforeseen(scenario: str, noted: Path) -> str:
    """Say what was done and not foreseen by a check; the slow scenarios have none."""
    if scenario in _SLOW:
        return ""
    lines = noted.read_text("utf-8").splitlines() if noted.exists() else []
    wrong = missed(runs(lines)) if lines else ["nothing was noted"]
    return "; ".join(f"--check: {each}" for each in wrong)


def table(ran: Sequence[Ran], shared: float, total: float) -> str:
    """Say in lines how long each scenario took."""
    rows = [(each.scenario, each.seconds, each.fault or "ok") for each in ran]
    rows = [("collection and releases", shared, ""), *rows, ("all", total, "")]
    lines = [f"{name:<24}{seconds:>7.1f} s  {word}".rstrip() for name, seconds, word in rows]
    return "\n".join(["", *lines])


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        **environ,
        # Molecule, Ansible and pytest call each other by name.
        "PATH": f"{_BIN}{os.pathsep}{environ.get('PATH', os.defpath)}",
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        # Molecule keeps its state there, named after a checkout's last folder, which two may share.
        "ANSIBLE_HOME": str(MADE / "home"),
        "NO_COLOR": "1",
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "foresight",
    }


def _log(scenario: str) -> Path:
    return MADE / f"{scenario}.log"


def _place(scenario: str) -> int:
    return _ORDER.index(scenario) if scenario in _ORDER else len(_ORDER)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*scenarios(), []])
    parser.add_argument("--at-once", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
