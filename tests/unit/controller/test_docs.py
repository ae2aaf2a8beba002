"""The guide names every command, option and setting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import aiwm_controller
import click
import pytest
from aiwm_controller.cli import main
from click.testing import CliRunner

TOP = Path(__file__).parent.parent.parent.parent
GUIDE = (TOP / "docs" / "controller.md").read_text("utf-8")


def leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


COMMANDS = dict(leaves(main))


@pytest.mark.parametrize("path", COMMANDS)
def test_the_guide_names_the_command_and_its_options(path: str) -> None:
    assert f"`{path}`" in GUIDE
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            assert f"`{max(parameter.opts, key=len)}" in GUIDE


@pytest.mark.parametrize("path", COMMANDS)
def test_help_has_examples(path: str) -> None:
    done = CliRunner().invoke(main, [*path.split(), "--help"])
    assert done.exit_code == 0
    assert f"aiwm-controller {path}" in done.output


def test_the_guide_names_every_variable() -> None:
    package = Path(aiwm_controller.__file__).parent
    code = "".join((package / name).read_text("utf-8") for name in ("settings.py", "app.py"))
    named = set(re.findall(r'"(AIWM_[A-Z_]+)"', code))
    listed = re.search(r"for name in \(\n(.*?)\n +\)", code, re.DOTALL)
    assert listed is not None
    named |= {f"AIWM_{name.upper()}" for name in re.findall(r'"(\w+)"', listed[1])}
    assert len(named) > 15
    assert {name for name in named if f"`{name}`" not in GUIDE} == set()
