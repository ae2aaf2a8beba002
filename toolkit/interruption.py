"""What a program that is interrupted owes: to end what it started, and to tidy up undisturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 15.0


@contextmanager
def tidying() -> Iterator[ExitStack]:
    """Give a stack that is closed at the end, and that no further Ctrl-C keeps from it."""
    stack = ExitStack()
    try:
        yield stack
    finally:
        with _undisturbed():
            stack.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def all_as_ctrl_c() -> None:
    """Let `kill`, and a terminal that is closed, be the same as Ctrl-C, unless it is ignored."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


@contextmanager
def ended_with(process: subprocess.Popen[str]) -> Iterator[None]:
    """End `process`, the first of a session of its own, where the block ends before it does.

    So ends all that it started and that has not left the session's process group. What a process
    leaves running that has ended by itself stays, unless the block ends by an exception.
    """
    try:
        yield
    except BaseException:
        _end(process)
        raise
    if process.poll() is None:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE
        reached = _tell(process, number)
        while reached and time.monotonic() < deadline:
            process.poll()  # a dead process that nobody has asked for counts as one of the group
            reached = _tell(process, 0)
            time.sleep(0.02)


def _tell(process: subprocess.Popen[str], number: int) -> bool:
    """Send a signal to the group, and tell whether anything is left of it."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
