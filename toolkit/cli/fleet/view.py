"""How a rollout is shown while it runs and when it has ended: a live table, or lines for a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from toolkit.fleet.account import Account, Row
from toolkit.ledger import Entry
from toolkit.rollout import at_risk, waves_ended
from toolkit.rollout_events import (
    Begun,
    Ended,
    Event,
    Finished,
    Found,
    Interrupted,
    Looked,
    Loss,
    Stopped,
    UndoBegun,
    Undone,
)
from toolkit.rollout_state import State

_SHOWN = 12
_ALL = 60  # a longer table than that hides what went wrong
_STYLES = {"lost": "red", "stayed": "red", "in flight": "yellow", "waiting": "dim"}


def said(event: Event, state: State) -> str | None:
    """Give one line about an event, for a log; None where it says nothing new."""
    if isinstance(event, Found | Begun | Ended | UndoBegun | Undone):
        text = _of_a_host(event, state)
        return f"{event.host}: {text}" if text else None
    return _of_all(event, state)


def _of_a_host(event: Found | Begun | Ended | UndoBegun | Undone, state: State) -> str | None:
    waves = len(state.plan.waves)
    text = None
    match event:
        case Found(loss=Loss() as loss) | Ended(loss=Loss() as loss):
            text = f"lost: {loss.kind}: {loss.reason}"
        case Begun():
            text = f"begun, in wave {min(waves_ended(state) + 1, waves)} of {waves}"
        case Ended(_, before, after, changed, seconds=seconds):
            moved = f"{before or 'nothing'} -> {after}" if changed else f"{after}, no change"
            text = f"{moved}, holds ({seconds:.0f} s)"
        case UndoBegun(host):
            text = f"goes back to {state.before.get(host)}"
        case Undone(loss=Loss() as loss):
            text = f"could not go back: {loss.reason}"
        case Undone(_, after):
            text = f"{after} runs again"
    return text


def _of_all(event: Event, state: State) -> str | None:
    text = None
    match event:
        case Looked(0):
            text = (
                f"looked at {len(state.plan.hosts)} hosts: {len(state.pending)} to do, "
                f"{len(state.holds)} have it already, {len(state.lost)} lost"
            )
        case Looked(ended):
            waves = len(state.plan.waves)
            text = f"wave {ended} of {waves} has ended: {len(state.holds)} hosts hold it"
        case Interrupted():
            flying = len(state.in_flight) + len(state.undoing)
            text = f"interrupted: nothing new is begun; {flying} in flight are waited for"
        case Stopped(why, revert):
            text = f"stopped: {why}{'; those that hold it go back' if revert else ''}"
        case Finished():
            text = "finished"
    return text


class Lines:
    """Prints a line for each event."""

    def __init__(self, *, err: bool) -> None:
        self._err = err

    def __call__(self, entry: Entry, state: State) -> None:
        """Print it."""
        text = said(entry.event, state)
        if text:
            click.echo(f"{entry.at[11:19]}  {text}", err=self._err)


class View:
    """What a terminal shows: the waves, who is in flight, and the last failures."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._state: State | None = None
        self._since: dict[str, float] = {}
        self._last = ""

    def __call__(self, entry: Entry, state: State) -> None:
        """Take note of an event; what is shown follows by itself."""
        event = entry.event
        if isinstance(event, Begun | UndoBegun):
            self._since[event.host] = time.monotonic()
        self._last = said(event, state) or self._last
        self._state = state

    def draw(self) -> Group:
        """Draw it as it stands now."""
        state = self._state
        if state is None:
            return Group(Text(self._title, "bold"), Text("looking at the hosts …", "dim"))
        risk = Text(f"{at_risk(state)} at risk of {state.plan.limit} that may be lost", "dim")
        return Group(
            Text(self._title, "bold"),
            risk,
            _waves(state),
            *self._flying(state),
            *_losses(state),
            Text(self._last, "dim"),
        )

    def _flying(self, state: State) -> Iterator[Text]:
        for host in sorted(state.in_flight | state.undoing)[:_SHOWN]:
            seconds = time.monotonic() - self._since.get(host, time.monotonic())
            moves = f"{state.versions.get(host) or 'nothing'} -> {state.targets.get(host) or '?'}"
            if host in state.undoing:
                moves = f"back to {state.before.get(host)}"
            yield Text(f"  ● {host}  {moves}  {seconds:.0f} s", "yellow")


def _waves(state: State) -> Table:
    table = Table("wave", "hosts", "hold it", "in flight", "lost", "to do", box=None)
    now = waves_ended(state)
    for number, wave in enumerate(state.plan.waves):
        hosts = frozenset(wave)
        lost = len(hosts & set(state.lost))
        table.add_row(
            f"{'▶' if number == now else ' '} {number + 1}",
            str(len(wave)),
            Text(str(len(hosts & state.holds)), "green"),
            str(len(hosts & (state.in_flight | state.undoing))),
            Text(str(lost), "red" if lost else "dim"),
            str(len(hosts & (state.pending | state.unseen))),
        )
    return table


def _losses(state: State) -> Iterator[Text]:
    for host, loss in list(state.lost.items())[-_SHOWN:]:
        yield Text(f"  ✗ {host}: {loss.kind}: {loss.reason}", "red", no_wrap=True)


@contextmanager
def showing(title: str, *, as_json: bool) -> Iterator[View | Lines]:
    """Give who is told of events: a live view on a terminal, else lines."""
    console = Console()
    if as_json or not console.is_terminal:
        lines = Lines(err=as_json)
        click.echo(title, err=as_json)
        yield lines
        return
    view = View(title)
    with Live(console=console, get_renderable=view.draw, refresh_per_second=4, transient=True):
        yield view


def final(told: Account) -> None:
    """Print how a rollout went: its hosts, or of a large fleet those that did not go well."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)
    good = ("holds", "had it")
    few = len(told.rows) <= _ALL
    rows = [row for row in told.rows if few or row.what not in (*good, "waiting")]
    table = Table("host", "wave", "", "version", "why", box=None, header_style="bold")
    for row in sorted(rows, key=lambda row: (row.loss is not None, row.wave)):
        style = _STYLES.get(row.what, "green")
        why = Text(f"{row.loss.kind}: {row.loss.reason}" if row.loss else "", "red")
        table.add_row(row.host, str(row.wave), Text(row.what, style), _versions(row), why)
    if rows:
        console.print(table)
    words = [f"{told.count(word)} {word}" for word in _words(told)]
    console.print(Text(f"{told.planned.id} {told.outcome}: {', '.join(words)}", "bold"))


def _words(told: Account) -> list[str]:
    return list(dict.fromkeys(row.what for row in told.rows))


def _versions(row: Row) -> str:
    if row.before and row.after and row.before != row.after:
        return f"{row.before} -> {row.after}"
    return row.after or row.before or "-"
