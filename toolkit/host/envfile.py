"""Reads and writes .env in the form that systemd, Node.js and python-dotenv all read alike."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from toolkit.host.errors import UsageError

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,-]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>[^\n]*?))
    [ \t]*(?:\n|\Z)""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)


def parse_env(text: str) -> dict[str, str]:
    """Give the variables of an .env text; comments and other lines are passed over."""
    return {match["name"]: _value(match) for match in _ASSIGNMENT.finditer(text)}


def _value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(r"\\(.)", r"\1", match["double"], flags=re.DOTALL)
    return match["plain"]


def merge_env(text: str, settings: Mapping[str, str]) -> str:
    """Give `text` with `settings` in it; lines about other variables stay as they are.

    Raises UsageError for a name or value that no .env file can hold.
    """
    present = parse_env(text)
    changed = {name: value for name, value in settings.items() if present.get(name) != value}
    kept = _ASSIGNMENT.sub(lambda match: "" if match["name"] in changed else match[0], text)
    if kept and not kept.endswith("\n"):
        kept += "\n"
    return kept + "".join(f"{name}={quote(name, value)}\n" for name, value in changed.items())


def without(text: str, names: Collection[str]) -> str:
    """Give `text` without the lines that set one of `names`."""
    return _ASSIGNMENT.sub(lambda match: "" if match["name"] in names else match[0], text)


def quote(name: str, value: str) -> str:
    """Quote a value; single quotes are the one form that no reader expands anything in."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a variable")
    if "\0" in value:
        raise UsageError(f"the value of {name} has a NUL in it")
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    if not set(value) & set('"\\$`\n'):
        return f'"{value}"'
    raise UsageError(
        f'the value of {name} has a single quote together with one of " \\ $ ` or a line break',
        hint="no .env file can hold it for every reader; choose another value",
    )


def parse_settings(data: bytes) -> dict[str, str]:
    """Read NAME=VALUE settings, each ended by a NUL, as the install script sends them."""
    settings = {}
    for part in data.decode("utf-8").split("\0"):
        if part:
            name, equals, value = part.partition("=")
            if not equals or not _NAME.fullmatch(name):
                raise UsageError("a setting on standard input is not of the form NAME=VALUE")
            settings[name] = value
    return settings
