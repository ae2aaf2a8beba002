"""The options of all commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """Give a command --database and --env-file, which every one of them takes."""
    for option in (
        click.option(
            "--database", metavar="URL", help="sqlite:///FILE or postgresql://USER@HOST/DB"
        ),
        click.option(
            "--env-file",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="Read AIWM_... variables from this file; it is the place for secrets.",
        ),
    ):
        command = option(command)
    return command
