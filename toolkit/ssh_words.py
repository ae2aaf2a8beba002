"""Reads the words that an inventory adds to ssh's command line: ansible_ssh_common_args and such.

No ssh is called here, so they are read as ssh would: the first value of an option counts.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from toolkit.errors import ConfigError

# ssh(1): the letters that take a value, and the options that some of them stand for.
_WITH_VALUE = frozenset("BbcDEeFIiJLlmOopQRSWw")
_LETTERS = {"J": "proxyjump", "p": "port", "l": "user", "i": "identityfile", "F": "configfile"}


def options_of(*texts: str) -> dict[str, str]:
    """Give the options that `texts` set, by name in lower case, such as proxyjump.

    -J, -p, -l, -i and -F are given as proxyjump, port, user, identityfile and configfile; what
    else there is, is left out. Raises ConfigError where a text has a quote that nothing closes.
    """
    options: dict[str, str] = {}
    for text in texts:
        for name, value in _pairs(iter(_words(text))):
            options.setdefault(name, value)
    return options


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(
            "the words for ssh in the inventory can't be read",
            why=f"{error} in {text!r}",
            hint="mend ansible_ssh_common_args or ansible_ssh_extra_args",
        ) from error


def _pairs(words: Iterator[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        if not word.startswith("-") or len(word) < 2:
            continue
        # Letters without a value may stand together before one that has one: -Ap 2222.
        place = next((n for n, letter in enumerate(word[1:], 1) if letter in _WITH_VALUE), None)
        if place is None:
            continue
        value = word[place + 1 :] or next(words, "")
        if word[place] == "o":
            name, _, rest = value.strip().replace("=", " ", 1).partition(" ")
            yield name.lower(), rest.strip().strip('"')
        elif word[place] in _LETTERS:
            yield _LETTERS[word[place]], value
