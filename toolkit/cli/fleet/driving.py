"""Drives a rollout from a terminal: signals, the view, and the exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from toolkit import ledger
from toolkit.cli.fleet.view import final
from toolkit.cli.output import INTERRUPTED, print_json
from toolkit.errors import RolloutError
from toolkit.fleet.account import Account, account, as_json
from toolkit.fleet.rollout import Begun

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def now() -> str:
    """Give the time in ISO 8601 UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def drive(begun: Begun, again: str = "") -> None:
    """Drive it to its end; the first Ctrl-C begins nothing new, the second leaves at once.

    `again` says how to go on, where that is not `toolkit fleet resume`.
    """
    with _interrupting(begun):
        try:
            begun.driver.run()
        except KeyboardInterrupt:
            flying = sorted(begun.driver.state.in_flight | begun.driver.state.undoing)
            click.echo(f"left at once; still under way: {', '.join(flying) or 'nothing'}", err=True)
            click.echo(f"  do:  {again or f'toolkit fleet resume {begun.id}'}", err=True)
            sys.exit(INTERRUPTED)


@contextmanager
def _interrupting(begun: Begun) -> Iterator[None]:
    asked = False

    def handle(number: int, frame: object) -> None:
        nonlocal asked
        del number, frame
        if asked:
            raise KeyboardInterrupt
        asked = True
        begun.driver.interrupt()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def conclude(folder: Path, rollout: str, *, machine: bool) -> None:
    """Print how it went; exits with 130, or raises RolloutError, where it is not finished."""
    told = account(ledger.read(folder, rollout))
    if machine:
        print_json(as_json(told))
    else:
        final(told)
    if told.state.interrupted:
        click.echo(f"interrupted; go on with: toolkit fleet resume {rollout}", err=True)
        sys.exit(INTERRUPTED)
    if not told.state.finished:
        raise RolloutError(
            f"{told.planned.verb} of {told.planned.name} stopped: {told.why}",
            why=_worst(told),
            hint=f"mend the hosts, then: toolkit fleet resume {rollout}; or bring a better version",
        )
    lost = told.count("lost")
    if lost:
        said = "1 host is lost" if lost == 1 else f"{lost} hosts are lost"
        click.echo(f"{said}, which the budget of {told.planned.plan.limit} allowed for:", err=True)
        click.echo(_worst(told), err=True)
        click.echo(f"  do:  mend them, then: toolkit fleet resume {rollout}", err=True)


def _worst(told: Account) -> str:
    """Name what was lost, each kind once with its first reason."""
    kinds: dict[str, list[str]] = {}
    for row in told.rows:
        if row.loss is not None:
            kinds.setdefault(f"{row.loss.kind}: {row.loss.reason}", []).append(row.host)
    lines = [f"{', '.join(hosts[:4])}{' …' * (len(hosts) > 4)}: {k}" for k, hosts in kinds.items()]
    return "\n".join(lines[:5])
