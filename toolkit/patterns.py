"""The patterns of build.include and build.exclude.

`*` and `?` stay within one name, `**` crosses folders, `[abc]` is one of these characters.
A pattern that names a folder means everything below it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", re.DOTALL)


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Give a function that says whether a path, relative and with slashes, fits one of them."""
    expressions = [f"(?:{_expression(pattern)})" for pattern in patterns]
    fits = re.compile("|".join(expressions) or r"(?!)", re.DOTALL)
    return lambda path: fits.fullmatch(path) is not None


def _expression(pattern: str) -> str:
    tokens = _TOKEN.findall(pattern.removeprefix("./").rstrip("/"))
    return "".join(map(_translate, tokens)) + "(?:/.*)?"


def _translate(token: str) -> str:
    match token:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
    if len(token) > 1:
        inside = token[1:-1].replace("\\", "\\\\")
        return f"(?!/)[{'^' + inside[1:] if inside.startswith('!') else inside}]"
    return re.escape(token)
