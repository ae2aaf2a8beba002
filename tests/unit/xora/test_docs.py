"""The guide names every variable, setting of the controller, option and counter."""

from __future__ import annotations

import re
from pathlib import Path

from xora_agent.meters import Meters

TOP = Path(__file__).parent.parent.parent.parent
GUIDE = (TOP / "docs" / "xora-agent.md").read_text("utf-8")
CODE = {
    name: (TOP / "agents" / "xora" / "xora_agent" / name).read_text("utf-8")
    for name in ("cli.py", "configuration.py", "own.py", "preview.py")
}


def unnamed(names: set[str]) -> set[str]:
    return {name for name in names if f"`{name}`" not in GUIDE}


def test_the_guide_names_every_variable() -> None:
    code = "".join(CODE.values())
    named = set(re.findall(r'Setting\(\s*"([A-Z_]+)"', code))
    named |= set(re.findall(r'"([A-Z]+_API_KEY)"', code)) | {"MCP_CONFIG_FILE", "ALLOWED_TOOLS"}
    assert len(named) > 40
    assert unnamed(named) == set()


def test_the_guide_names_every_setting_of_the_controller() -> None:
    named = set(re.findall(r'"((?:claude|discord|telegram|vercel)_\w+)"', CODE["configuration.py"]))
    assert len(named) == 17
    assert unnamed(named) == set()


def test_the_guide_names_no_variable_that_is_not_there() -> None:
    code = "".join(CODE.values())
    in_tables = re.findall(r"^\| (`[A-Z_`, ]+`) \|", GUIDE, re.MULTILINE)
    named = {name for cell in in_tables for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert {name for name in named if f'"{name}"' not in code} == set()


def test_the_guide_names_every_option_and_counter() -> None:
    options = set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', CODE["cli.py"]))
    assert options == {"--env-file", "--check", "--version"}
    assert all(f"`{option}" in GUIDE for option in options)
    counters = {
        sample.name
        for family in Meters().registry.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert len(counters) == 6
    assert unnamed(counters) == set()
