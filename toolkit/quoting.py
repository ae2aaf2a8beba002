"""Quotes values for the languages that templates are rendered into."""

from __future__ import annotations

import json
import re
import shlex

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_UNIT_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def one_line(text: str) -> str:
    """Make free text safe for a comment or a title: no control characters, no line breaks.

    A backslash at the end would continue the line in a systemd unit, so it goes too.
    """
    return _CONTROL.sub(" ", text).strip().rstrip("\\").strip()


def shell_word(text: str) -> str:
    """Quote `text` as one word of a POSIX shell."""
    return shlex.quote(text)


def unit_text(text: str) -> str:
    """Quote free text for a unit's Description=, where `%` begins a specifier."""
    return one_line(text).replace("%", "%%")


def unit_word(text: str) -> str:
    """Quote `text` as one word of a unit's setting, as in Environment= (systemd.syntax(7))."""
    escaped = "".join(_unit_character(character) for character in text)
    return f'"{escaped.replace("%", "%%")}"'


def unit_argument(text: str) -> str:
    """Quote `text` as one argument of ExecStart=, where `$` begins a variable too."""
    return unit_word(text).replace("$", "$$")


def _unit_character(character: str) -> str:
    if character in _UNIT_ESCAPES:
        return _UNIT_ESCAPES[character]
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"\\x{ord(character):02x}"
    return character


def javascript(value: object) -> str:
    """Quote `value` as a JavaScript literal, harmless in a file of any encoding."""
    return json.dumps(value, ensure_ascii=True, indent=2)


def toml(value: str | tuple[str, ...]) -> str:
    """Quote `value` as a TOML string or array; JSON's strings are TOML's basic strings."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
