"""The one form of .env that systemd, Node.js and python-dotenv read alike."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.need import need_command
from toolkit.host.envfile import merge_env, parse_env, parse_settings, quote, without
from toolkit.host.errors import UsageError

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\0'\r", exclude_categories=["Cs"]), max_size=40)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_what_is_merged_in_is_what_is_read(settings: dict[str, str]) -> None:
    assert parse_env(merge_env("", settings)) == settings


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_merging_again_changes_nothing(settings: dict[str, str]) -> None:
    text = merge_env("# a comment\n", settings)
    assert merge_env(text, settings) == text


def test_other_lines_stay_as_they_are() -> None:
    text = "# mine\nA=1\n\nexport B='two words'\nnonsense\nC=\"x\"\n"
    merged = merge_env(text, {"A": "2", "D": "4"})
    assert merged == "# mine\n\nexport B='two words'\nnonsense\nC=\"x\"\nA=2\nD=4\n"


@pytest.mark.parametrize("value", ["both ' and \"", "it's\nhere", "it's $HOME", "nul \0"])
def test_a_value_that_no_file_can_hold_is_refused(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        quote("NAME", value)
    assert "NAME" in caught.value.message
    assert value not in caught.value.message  # it may be a secret


def test_node_reads_what_is_written(tmp_path: Path) -> None:
    need_command("node")
    settings = {
        "A": "plain",
        "B": "two words",
        "C": "it's",
        "D": 'a "b" $HOME `id` \\n',
        "E": "a\nb",
    }
    file = tmp_path / ".env"
    file.write_text(merge_env("", settings), "utf-8")
    program = (
        "const { parseEnv } = require('node:util');"
        f"console.log(JSON.stringify(parseEnv(require('fs').readFileSync({json.dumps(str(file))},"
        "'utf8'))))"
    )
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == settings


def test_settings_come_as_the_script_sends_them() -> None:
    assert parse_settings(b"A=1\0B=x=y\nz\0") == {"A": "1", "B": "x=y\nz"}
    for wrong in (b"no equals\0", b"1A=x\0"):
        with pytest.raises(UsageError):
            parse_settings(wrong)


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.sets(NAMES, max_size=3))
def test_what_is_taken_out_is_gone_and_the_rest_stays(
    settings: dict[str, str], names: set[str]
) -> None:
    kept = {name: value for name, value in settings.items() if name not in names}
    assert parse_env(without(merge_env("", settings), names)) == kept
