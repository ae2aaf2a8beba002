"""What all commands share: how errors, tables, progress and JSON are printed."""

from __future__ import annotations

import gc
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from toolkit.errors import ToolkitError
from toolkit.progress import Progress as ProgressPort
from toolkit.progress import Silent

INTERRUPTED = 130
# Loading a command makes many objects, and nearly all of them stay: looking through them again and
# again for what can go takes a fifth of the start.
_OFTEN_ENOUGH = 50_000


class Group(click.Group):
    """Keeps the commands in the order of the story, and turns errors into three short lines."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the commands as they were added."""
        del ctx
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a ToolkitError becomes text on stderr and an exit code."""
        gc.set_threshold(_OFTEN_ENOUGH)
        try:
            return super().invoke(ctx)
        except (ToolkitError, OSError) as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            known = error if isinstance(error, ToolkitError) else _of_system(error)
            click.echo(explain(known), err=True)
            sys.exit(known.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted; run the same command again to finish it", err=True)
            sys.exit(INTERRUPTED)


def _of_system(error: OSError) -> ToolkitError:
    """Say what this machine refused, where no step knew better."""
    where = f" {error.filename}" if error.filename else ""
    return ToolkitError(
        f"this machine refused to use{where or ' a file'}",
        why=error.strerror or str(error),
        hint="mend that, or name another place, then run the same command again",
    )


def explain(error: ToolkitError) -> str:
    """Give what happened, why, and what to do, a line each."""
    lines = [click.style("error: ", fg="red", bold=True) + error.message]
    if error.why:
        lines += [
            f"  why: {line}" if n == 0 else f"       {line}"
            for n, line in enumerate(error.why.splitlines())
        ]
    if error.hint:
        lines.append(f"  do:  {error.hint}")
    return "\n".join(lines)


def print_json(value: object) -> None:
    """Print `value` for a machine."""
    click.echo(json.dumps(value, indent=2, sort_keys=True))


class Bars:
    """Progress bars for a person, on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def start(self, what: str, total: int | None = None) -> None:
        """Show a new bar."""
        self._task = self._progress.add_task(what, total=total)

    def advance(self, amount: int = 1) -> None:
        """Move the bar on."""
        if self._task is not None:
            self._progress.advance(self._task, amount)

    def finish(self) -> None:
        """Fill the bar, also one of unknown length."""
        if self._task is not None:
            task = self._progress.tasks[self._progress.task_ids.index(self._task)]
            total = task.total if task.total is not None else max(task.completed, 1)
            self._progress.update(self._task, total=total, completed=total)
            self._task = None


class Lines:
    """Progress for a log: one line for each piece of work."""

    def start(self, what: str, total: int | None = None) -> None:
        """Name the work."""
        del total
        click.echo(f"{what} ...", err=True)

    def advance(self, amount: int = 1) -> None:
        """Say nothing: a log wants no bar."""

    def finish(self) -> None:
        """Say nothing: the next line says it."""


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[ProgressPort]:
    """Give bars on a terminal, lines in a log, nothing when a machine reads."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bars:
            yield Bars(bars)
