"""What is started ends with who started it, and tidying up is not interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.interruption import ended_with, tidying

# A child in the same group, which says its pid and outlives its parent.
PARENT = "sleep 600 & echo $!; wait"


def started(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_interruption_ends_the_whole_group() -> None:
    with started(PARENT) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with pytest.raises(KeyboardInterrupt), ended_with(process):
            raise KeyboardInterrupt
        assert not lives(process.pid)


def test_the_end_of_the_block_ends_it_too() -> None:
    with started("trap 'exit 7' TERM; echo; while :; do sleep 0.05; done") as process:
        assert process.stdout is not None
        with ended_with(process):
            process.stdout.readline()
        assert process.wait() == 7


def test_what_it_left_running_by_itself_stays() -> None:
    with started("sleep 600 >/dev/null & echo $!") as process, ended_with(process):
        assert process.stdout is not None
        left = int(process.stdout.readline())
        process.wait()
    os.kill(left, signal.SIGKILL)  # raises where it is gone


TIDY = """
import os, signal, sys
from toolkit.interruption import all_as_ctrl_c, tidying

def tidy():
    os.kill(os.getpid(), signal.SIGINT)
    open(sys.argv[1], "w").close()

all_as_ctrl_c()
with tidying() as at_end:
    at_end.callback(tidy)
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_second_ctrl_c_does_not_keep_it_from_tidying_up(tmp_path: Path) -> None:
    mark = tmp_path / "tidied"
    done = subprocess.run(
        [sys.executable, "-c", TIDY, str(mark)], capture_output=True, text=True, check=False
    )
    assert mark.exists()
    assert "KeyboardInterrupt" in done.stderr


def test_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with tidying():
        pass
    assert signal.getsignal(signal.SIGTERM) is before
