"""release.json is read as it was written, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolkit.config import parse_agent
from toolkit.host.errors import BadRelease
from toolkit.host.release import command_line, environment, parse_release
from toolkit.render import describe

RELEASE = Path(__file__).parent.parent.parent.parent / "release"


@pytest.mark.parametrize("name", ["glances", "verdaccio"])
def test_what_is_written_is_read(name: str) -> None:
    spec = parse_agent((RELEASE / f"{name}.toml").read_text("utf-8"), file=name)
    release = describe(spec, "linux-x64")
    assert parse_release(release.to_json()) == release


def test_placeholders_are_replaced_for_the_folder_it_is_installed_in() -> None:
    spec = parse_agent((RELEASE / "verdaccio.toml").read_text("utf-8"), file="verdaccio")
    release = describe(spec, "linux-x64")
    assert command_line(release, "/srv/v")[:2] == (
        "/srv/v/current/runtime/node/bin/node",
        "/srv/v/current/node_modules/verdaccio/bin/verdaccio",
    )
    assert environment(release, "/srv/v")["XDG_DATA_HOME"] == "/srv/v/workspace"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', "null"])
def test_damage_is_named(text: str) -> None:
    with pytest.raises(BadRelease):
        parse_release(text)


def test_a_newer_format_says_what_to_do() -> None:
    spec = parse_agent((RELEASE / "glances.toml").read_text("utf-8"), file="glances")
    data = json.loads(describe(spec, None).to_json())
    data["schema"] = 2
    with pytest.raises(BadRelease) as caught:
        parse_release(json.dumps(data))
    assert "agentctl that was published with the release" in caught.value.hint
