"""Ledgers stay true, whatever becomes of who writes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolkit import ledger
from toolkit.errors import LedgerError, NotFoundError
from toolkit.ledger import Entry
from toolkit.rollout_events import Begun, Ended, Event, Loss, Plan, Planned, Resumed

PLANNED = Planned("tiny-1", "tiny", "upgrade", "1.1.0", Plan((("a",), ("b",)), 1, 1))
AT = "2026-11-21T05:00:00+00:00"


def clock() -> str:
    return AT


def test_what_is_added_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "rollouts"
    events: list[Event] = [Begun("a"), Ended("a", "1", "2", True), Begun("b")]
    events.append(Ended("b", loss=Loss("x", "y")))
    with ledger.create(folder, PLANNED, clock) as held:
        for event in events[:2]:
            held.append(event)
    with ledger.hold(folder, "tiny-1", clock) as held:
        for event in events[2:]:
            held.append(event)
    assert ledger.read(folder, "tiny-1") == [Entry(AT, event) for event in [PLANNED, *events]]
    assert ledger.rollouts(folder) == ["tiny-1"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_torn_last_line_is_left_out_and_then_cut_off(tmp_path: Path) -> None:
    with ledger.create(tmp_path, PLANNED, clock) as held:
        held.append(Begun("a"))
    path = tmp_path / "tiny-1.jsonl"
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1]) + 1):
        path.write_bytes(whole[:-cut])
        assert [entry.event for entry in ledger.read(tmp_path, "tiny-1")] == [PLANNED]
    with ledger.hold(tmp_path, "tiny-1", clock) as held:
        held.append(Resumed())
    assert [entry.event for entry in ledger.read(tmp_path, "tiny-1")] == [PLANNED, Resumed()]


def test_one_process_drives_a_rollout(tmp_path: Path) -> None:
    with ledger.create(tmp_path, PLANNED, clock):
        assert ledger.is_held(tmp_path, "tiny-1")
        with (
            pytest.raises(LedgerError, match="another process"),
            ledger.hold(tmp_path, "tiny-1", clock),
        ):
            pass
        with pytest.raises(LedgerError, match="can't be made"):
            ledger.create(tmp_path, PLANNED, clock).__enter__()
    assert not ledger.is_held(tmp_path, "tiny-1")
    with ledger.hold(tmp_path, "tiny-1", clock):
        assert ledger.is_held(tmp_path, "tiny-1")


def test_a_killed_process_leaves_what_it_noted_and_no_lock(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, itertools\n"
        "from toolkit import ledger\n"
        "from toolkit.rollout_events import *\n"
        "planned = Planned('tiny-1', 'tiny', 'upgrade', '2', Plan((('a',),)))\n"
        "with ledger.create(pathlib.Path(sys.argv[1]), planned, lambda: '') as held:\n"
        "    for number in itertools.count():\n"
        "        held.append(Begun(str(number)))\n"
        "        print(number, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(20)]
    os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.read().splitlines()
    child.wait()
    last = int(said[-1] if said[-1].strip() else said[-2])
    events = [entry.event for entry in ledger.read(tmp_path, "tiny-1")]
    noted = [int(event.host) for event in events[1:] if isinstance(event, Begun)]
    assert noted == list(range(len(noted)))
    assert len(noted) > last
    deadline = time.monotonic() + 10
    while ledger.is_held(tmp_path, "tiny-1"):
        assert time.monotonic() < deadline
    with ledger.hold(tmp_path, "tiny-1", clock):
        pass


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with ledger.create(tmp_path, PLANNED, clock) as held:
        held._file.close()
        held._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - closed below
        with held._file, pytest.raises(LedgerError, match="can't be written") as caught:
            held.append(Begun("a"))
    assert "No space left" in caught.value.why


def test_what_is_not_there_or_damaged(tmp_path: Path) -> None:
    for name in ("tiny-2", "../tiny-1", ""):
        with pytest.raises(NotFoundError, match="no rollout"):
            ledger.read(tmp_path, name)
    path = tmp_path / "tiny-1.jsonl"
    path.write_text('{"schema": 1, "event": "Begun", "host": "a"}\n')
    with pytest.raises(LedgerError, match="damaged"):
        ledger.read(tmp_path, "tiny-1")
    path.write_text('{"schema": 2, "event": "Begun", "host": "a"}\n')
    with pytest.raises(LedgerError, match="format 2"):
        ledger.read(tmp_path, "tiny-1")
    path.write_text("[\n{}\n")
    with pytest.raises(LedgerError, match="damaged"):
        ledger.read(tmp_path, "tiny-1")


def test_where_ledgers_stand() -> None:
    home = Path("/home/ada")
    usual = home / ".local/state/aiwm-toolkit/rollouts"
    assert ledger.default_folder({}, home) == usual
    assert ledger.default_folder({"XDG_STATE_HOME": "relative"}, home) == usual
    elsewhere = Path("/var/ada/aiwm-toolkit/rollouts")
    assert ledger.default_folder({"XDG_STATE_HOME": "/var/ada"}, home) == elsewhere
