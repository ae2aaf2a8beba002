"""What a wrong file is told: each case is a folder with the file and the words."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import jsonschema
import pytest

from toolkit.cli.init import schema_text
from toolkit.config import InvalidFileError, parse_agent

TOP = Path(__file__).parent.parent.parent
GOLDEN = TOP / "tests" / "golden" / "config"
CASES = sorted(folder.name for folder in GOLDEN.iterdir())
EXAMPLES = sorted((TOP / "release").glob("*.toml"))


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_file_is_told_what_is_wrong_and_what_is_expected(case: str) -> None:
    text = (GOLDEN / case / "input.toml").read_text("utf-8")
    with pytest.raises(InvalidFileError) as caught:
        parse_agent(text, file="release/agent.toml")
    error = caught.value
    said = f"{error.message}\n{error.why}\n{error.hint}\n"
    golden = GOLDEN / case / "error.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(said, "utf-8")
    assert said == golden.read_text("utf-8")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_are_right_and_fit_the_schema(file: Path) -> None:
    text = file.read_text("utf-8")
    assert parse_agent(text, file=file.name).name == file.stem
    jsonschema.validate(tomllib.loads(text), json.loads(schema_text()))


def test_the_schema_in_the_tree_is_the_one_of_the_model() -> None:
    assert (TOP / "release" / "agent.schema.json").read_text("utf-8") == schema_text()


def test_every_key_is_named_in_the_guide() -> None:
    guide = (TOP / "docs" / "release-file.md").read_text("utf-8")
    schema = json.loads(schema_text())
    models = [schema, *schema["$defs"].values()]
    keys = {key for model in models for key in model.get("properties", {})}
    missing = sorted(key for key in keys if f"`{key}`" not in guide)
    assert missing == []
