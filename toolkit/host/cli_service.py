"""What process managers call: they wait for it, so that nothing more than needed is read."""

from __future__ import annotations

import argparse
import os

from toolkit.host.envfile import parse_env
from toolkit.host.layout import Layout


def _supervise(arguments: argparse.Namespace) -> int:
    from toolkit.host.direct import supervise

    supervise(arguments.home)
    return 0


def _exec(arguments: argparse.Namespace) -> int:
    settings = parse_env(Layout(arguments.home).env.read_text("utf-8"))
    program, *_ = arguments.argv
    os.execvpe(program, arguments.argv, {**os.environ, **settings})  # noqa: S606 - no shell wanted


RUNS = {"supervise": _supervise, "exec": _exec}
