"""Cuts long answers into messages that a platform takes.

Sizes are in UTF-16 code units, as Telegram counts (https://core.telegram.org/bots/api#sendmessage:
"1-4096 characters", entities are measured in UTF-16 code units); Discord counts no more than that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

SMALLEST = 64  # room for what a code block needs to be closed and opened again, and for text

FENCE = re.compile(r"`{3,}")
_LANGUAGE = re.compile(r"`{3,}([A-Za-z0-9_+\-.#]{1,20})\n")
_OPENING_AT_END = re.compile(r"`{3,}[A-Za-z0-9_+\-.#]*\s*\Z")
_BLANK_LINES = re.compile(r"\s*\n")
_SOLID = re.compile(r"\S")
_CLOSING = "\n```"

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")
_LINE = re.compile(r"\n")
# After an end mark and what may close a quotation; Chinese and Japanese have no space there.
_SENTENCE = re.compile(r"""[.!?…]["'”\u2019)\]*_]*(?=\s)|[。\uff01\uff1f]""")
_WORD = re.compile(r"\s")


@dataclass(frozen=True)
class Piece:
    """One message: what of the text is in it, and what opens and closes a code block around it."""

    opening: str
    body: str
    closing: str

    def __str__(self) -> str:
        return self.opening + self.body + self.closing


def split(text: str, limit: int) -> list[str]:
    """Cut a text into messages of at most `limit` UTF-16 code units.

    It is cut between paragraphs where that fills a message well, else between lines, sentences,
    words, or anywhere. A code block that goes on in the next message is closed and opened again,
    with its language. Text of nothing but white space gives no message.
    """
    return [str(piece) for piece in pieces(text, limit)]


def pieces(text: str, limit: int) -> Iterator[Piece]:
    """Cut as `split` does, and tell what was added."""
    if limit < SMALLEST:
        raise ValueError(f"a message must hold {SMALLEST} characters at least, not {limit}")
    text = _without_lone_surrogates(text).rstrip()
    at, opening = _skip_space(text, 0), ""
    while at < len(text):
        # No more than fits is looked at: else an answer would cost the square of its length.
        near = text[at : at + limit + 2]
        whole = Piece(opening, near, _CLOSING if _is_open(opening, near) else "")
        if len(text) - at <= limit and units(str(whole)) <= limit:
            yield whole
            return
        body = near[: _cut(opening, near, limit - units(opening) - units(_CLOSING))]
        at += len(body)
        if _is_open(opening, body):
            yield Piece(opening, body, _CLOSING)
            opening, at = _go_on(_reopened(opening, body), text, at)
        else:
            yield Piece(opening, body.rstrip(), "")
            opening, at = "", _skip_space(text, at)


def units(text: str) -> int:
    """Count UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _without_lone_surrogates(text: str) -> str:
    """Models write halves of characters at times, which no platform takes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _skip_space(text: str, at: int) -> int:
    """Go on after what is blank, but not how far the first line is indented."""
    blank = _BLANK_LINES.match(text, at)
    return blank.end() if blank else _solid(text, at)


def _solid(text: str, at: int) -> int:
    """Say where the next character is that is no white space."""
    found = _SOLID.search(text, at)
    return found.start() if found else len(text)


def _is_open(opening: str, body: str) -> bool:
    return (bool(opening) + len(FENCE.findall(body))) % 2 == 1


def _reopened(opening: str, body: str) -> str:
    """Give what opens the code block again in which `body` ends."""
    fences = list(FENCE.finditer(body))
    if not fences:
        return opening
    language = _LANGUAGE.match(body, fences[-1].start())
    return f"```{language[1]}\n" if language else "```\n"


def _go_on(opening: str, text: str, at: int) -> tuple[str, int]:
    """Go on inside a code block, unless all that was left of it is its end."""
    end = FENCE.match(text, _solid(text, at))
    if end:
        return "", _skip_space(text, end.end())
    return opening, at + 1 if text[at].isspace() else at


def _cut(opening: str, rest: str, budget: int) -> int:
    """Say how many characters of `rest` go into this message: at least one."""
    end = _reach(rest, budget)
    borders = _Borders(opening, rest, end)
    for candidates in borders.ranks():
        best = max((at for at in candidates if at >= end // 3), default=0)
        if best:
            return best
    return max(borders.good(_WORD), default=0) or borders.anywhere()


def _reach(text: str, budget: int) -> int:
    """Say how many characters fit into so many UTF-16 code units."""
    used = 0
    for at, character in enumerate(text):
        used += 2 if character > "\uffff" else 1
        if used > budget:
            return at
    return len(text)


class _Borders:
    """Where a message may end, within the first `end` characters of a text."""

    def __init__(self, opening: str, text: str, end: int) -> None:
        self._text = text
        self._end = end
        self._opened = bool(opening)
        self._fences = [match.span() for match in FENCE.finditer(text, 0, end + 1)]

    def ranks(self) -> Iterator[list[int]]:
        """Give the borders from the best kind to the worst."""
        yield [at for at in self.good(_PARAGRAPH) if not self._inside(at)]
        lines = self.good(_LINE)
        yield [at for at in lines if not self._inside(at)]
        yield [at for at in lines if self._inside(at)]
        yield [at for at in self.good(_SENTENCE) if not self._inside(at)]
        yield self.good(_WORD)

    def good(self, kind: re.Pattern[str]) -> list[int]:
        found = kind.finditer(self._text, 0, self._end + 1)
        return [at for at in (self._where(kind, match) for match in found) if self._is_good(at)]

    def anywhere(self) -> int:
        """Cut where nothing says where; never within a fence or a character of several parts."""
        at = next((start for start, end in self._fences if start < self._end < end), self._end)
        at = at or self._end
        whole = at
        while whole > 1 and at - whole < 16 and _continues(self._text, whole):
            whole -= 1
        return at if whole == 1 or _continues(self._text, whole) else whole

    @staticmethod
    def _where(kind: re.Pattern[str], match: re.Match[str]) -> int:
        return match.end() if kind is _SENTENCE else match.start()

    def _is_good(self, at: int) -> bool:
        """Leave out a cut that would make an empty message, or an empty code block."""
        if not 0 < at <= self._end or not self._text[:at].strip():
            return False
        return not (self._inside(at) and _OPENING_AT_END.search(self._text, 0, at))

    def _inside(self, at: int) -> bool:
        return (self._opened + sum(end <= at for _, end in self._fences)) % 2 == 1


def _continues(text: str, at: int) -> bool:
    """Say whether the character at `at` belongs to the one before it."""
    joiner = "\u200d"
    if at >= len(text):
        return False
    here = text[at]
    selector = "\ufe00" <= here <= "\ufe0f" or "\U0001f3fb" <= here <= "\U0001f3ff"
    return bool(unicodedata.combining(here)) or selector or joiner in (here, text[at - 1])
