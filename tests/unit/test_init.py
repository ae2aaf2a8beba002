"""What `toolkit init` writes is a release file that is right as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolkit.config import parse_agent
from toolkit.errors import ConfigError, ToolkitError
from toolkit.init import init, recognise
from toolkit.spec import AgentSpec

PYPROJECT = """
[project]
name = "my_bot"
version = "2.0"
description = 'A "bot"'
[project.scripts]
my-bot = "my_bot:main"
"""


def written(folder: Path) -> AgentSpec:
    path = init(folder)
    return parse_agent(path.read_text("utf-8"), file=str(path))


def test_a_node_folder(tmp_path: Path) -> None:
    package = {"name": "@me/My.Bot", "version": "1.2.3", "main": "./lib/main.js"}
    (tmp_path / "package.json").write_text(json.dumps(package), "utf-8")
    spec = written(tmp_path)
    assert (spec.name, spec.version, spec.runtime.kind) == ("my-bot", "1.2.3", "node")
    assert spec.service.exec == ["{node}", "{current}/lib/main.js"]
    assert "**" in spec.build.include


def test_a_python_folder(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, "utf-8")
    spec = written(tmp_path)
    assert (spec.name, spec.title, spec.runtime.kind) == ("my-bot", 'A "bot"', "python")
    assert spec.service.exec == ["{bin}/my-bot"]


def test_any_other_folder(tmp_path: Path) -> None:
    folder = tmp_path / "Some Program"
    folder.mkdir()
    spec = written(folder)
    assert (spec.name, spec.runtime.kind) == ("some-program", "none")


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = init(tmp_path)
    path.write_text("mine", "utf-8")
    with pytest.raises(ToolkitError, match="is there already"):
        init(tmp_path)
    assert path.read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", ["package.json", "pyproject.toml"])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{ not", "utf-8")
    with pytest.raises(ConfigError, match=name):
        recognise(tmp_path)
