"""Reads files of variables as hosts read theirs."""

from __future__ import annotations

from toolkit.host.envfile import parse_env, without


def read_env(text: str) -> dict[str, str]:
    """Read an .env text as hosts read theirs."""
    return parse_env(text)


def unread_line(text: str) -> int:
    """Give the number of the first line of an .env text that says nothing; 0 for none."""
    left = without(text, parse_env(text)).splitlines()
    wrong = next((line for line in left if line.strip() and line.lstrip()[0] != "#"), None)
    return 0 if wrong is None else text.splitlines().index(wrong) + 1
