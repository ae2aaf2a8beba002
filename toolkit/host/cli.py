"""The command line of agentctl: it calls the verb, and says what went wrong.

Each verb's module is read when it is called: what supervises a service must start fast.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

from toolkit.host.arguments import build_parser
from toolkit.host.errors import AgentctlError, DiskFull, NotPermitted

INTERRUPTED = 130
_VERBS = {
    "cli_install": ("install", "upgrade", "follow"),
    "cli_configure": ("configure",),
    "cli_upgrade": ("rollback", "history", "settle", "uninstall"),
    "cli_follow": ("unfollow", "pin", "unpin", "pause", "resume"),
    "cli_person": ("status", "logs", "doctor", "support-bundle"),
    "cli_service": ("supervise", "exec"),
}


def _later(module: str, verb: str) -> Callable[[argparse.Namespace], int]:
    """Give what reads the verb's module and calls it."""

    def run(arguments: argparse.Namespace) -> int:
        return int(import_module(f"toolkit.host.{module}").RUNS[verb](arguments))

    return run


RUNS = {verb: _later(module, verb) for module, verbs in _VERBS.items() for verb in verbs}


def main(argv: Sequence[str] | None = None) -> int:
    """Run agentctl; gives the exit code (docs/exit-codes.md)."""
    arguments = build_parser(RUNS).parse_args(argv)
    if arguments.run is not RUNS["exec"]:  # what it starts keeps what it was given
        os.umask(0o022)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not so under nohup
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        return int(arguments.run(arguments))
    except AgentctlError as error:
        return _fail(error, arguments)
    except OSError as error:
        return _fail(_of_system(error), arguments)
    except KeyboardInterrupt:
        _complain("interrupted; the same command goes on where this one stopped")
        return INTERRUPTED


def _fail(error: AgentctlError, arguments: argparse.Namespace) -> int:
    if getattr(arguments, "json", False):
        _tell_machines(error, arguments)
    _complain(f"error: {error.message}")
    if error.hint:
        _complain(f"  do:  {error.hint}")
    return error.exit_code


def _tell_machines(error: AgentctlError, arguments: argparse.Namespace) -> None:
    from toolkit.host.layout import Layout
    from toolkit.host.outcome import compared, failure, standing

    # A state that can't be read is the fault itself, or would hide it.
    with suppress(AgentctlError, OSError):
        before, after = getattr(arguments, "before", None), standing(Layout(arguments.home))
        print(json.dumps({"error": failure(error), **compared(before, after)}))


def _complain(line: str) -> None:
    with suppress(OSError):  # a terminal that hung up
        print(line, file=sys.stderr, flush=True)


def _of_system(error: OSError) -> AgentctlError:
    """Say what the system refused, where no step knew better."""
    what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    again = "then run the same command again"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"the disk is full: {what}", hint=f"make room, {again}")
    if isinstance(error, PermissionError):
        return NotPermitted(what, hint="run the command with sudo")
    return AgentctlError(what, hint=f"mend that, {again}")


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt
