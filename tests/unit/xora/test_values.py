"""A setting is that of the first source that has it: 0, empty and false are values too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xora_agent.errors import SettingError
from xora_agent.values import Setting, boolean, names, number, text, whole

TURNS = Setting("TURNS", whole, 100, "claude_maxTurns", ("maxTurns",))
RESUME = Setting("RESUME", boolean, True, "claude_resume", ("resume",))
MODEL = Setting("MODEL", text, "default", "claude_model", ("claudeModel",))
IDS: Setting[tuple[str, ...]] = Setting("IDS", names, (), "d_ids", ("d", "ids"))


@pytest.mark.parametrize(
    ("setting", "controller", "env", "expected"),
    [
        (TURNS, {"claude_maxTurns": 0, "maxTurns": 5}, {"TURNS": "7"}, 0),
        (TURNS, {"maxTurns": 5}, {"TURNS": "7"}, 5),
        (TURNS, {"maxTurns": None}, {"TURNS": "0"}, 0),
        (TURNS, {}, {"TURNS": ""}, 100),
        (TURNS, {}, {}, 100),
        (TURNS, {"maxTurns": 5.0}, {}, 5),
        (RESUME, {"claude_resume": False}, {"RESUME": "true"}, False),
        (RESUME, {"resume": "off"}, {}, False),
        (RESUME, {}, {"RESUME": "0"}, False),
        (RESUME, {}, {"RESUME": "YES"}, True),
        (MODEL, {"claude_model": ""}, {"MODEL": "m"}, ""),
        (MODEL, {}, {"MODEL": ""}, ""),
        (MODEL, {"claudeModel": " n\n"}, {"MODEL": "m"}, "n"),
        (IDS, {"d_ids": []}, {"IDS": "1"}, ()),
        (IDS, {"d": {"ids": "1, -2,,1"}}, {}, ("1", "-2")),
        (IDS, {"d": {"ids": [-100, "2"]}}, {}, ("-100", "2")),
        (IDS, {"d": "no object"}, {"IDS": "3"}, ("3",)),
    ],
)
def test_the_first_source_that_has_it_counts(
    setting: Setting[Any], controller: dict[str, Any], env: dict[str, str], expected: object
) -> None:
    assert setting.value(controller, env) == expected


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (TURNS, True),
        (TURNS, -1),
        (TURNS, 1.5),
        (TURNS, "many"),
        (TURNS, "1e99"),
        (TURNS, []),
        (RESUME, "perhaps"),
        (RESUME, 2),
        (MODEL, {"a": 1}),
        (MODEL, "two\nlines"),
        (MODEL, True),
        (IDS, {"1": 1}),
        (IDS, [[1]]),
        (IDS, [True]),
        (IDS, 5),
    ],
)
def test_what_cannot_be_read_is_named_and_not_shown(setting: Setting[Any], value: object) -> None:
    with pytest.raises(SettingError) as caught:
        setting.value({setting.flat: value}, {})
    assert setting.flat in caught.value.message
    assert caught.value.why.startswith("it must be ")
    assert str(value) not in caught.value.message + caught.value.why


@given(st.from_type(object) | st.text() | st.floats() | st.integers() | st.lists(st.text()))
def test_no_value_breaks_a_reader(value: Any) -> None:
    for read in (boolean, names, number, text, whole):
        try:
            read(value)
        except ValueError:
            continue
