"""Takes secrets out of texts: known values in every form they may stand in, and known patterns.

What is taken out leaves `[redacted]`. Where it is not clear whether something is a secret, it
is taken out: a support bundle that says a little less is better than one that can't be sent.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

GONE = "[redacted]"
# Shorter values, such as `info` or `8080`, would take the sense out of every line.
SHORTEST = 6
# No private key is longer than this.
KEY_LENGTH = 16_384
LINE_LENGTH = 8_192
_ENDS = "\r\n"

_WORDS = (
    r"pass(?:word|wd|phrase|code)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|account[_-]?key|auth[_-]?key|signing[_-]?key|encryption[_-]?key|shared[_-]?key|credentials?"
    r"|session[_-]?id|csrf|xsrf|connection[_-]?string|webhook[_-]?url|_auth"
    r"|(?<![A-Za-z])(?:pass|pwd|sid|otp|jwt|dsn)(?![A-Za-z])"
)
# Bounded, since an unbounded one takes the square of the time on a line without spaces.
_NAME = rf"[\w.-]{{0,40}}(?:{_WORDS})[\w.-]{{0,40}}"
_NAMED = re.compile(_NAME, re.IGNORECASE)
_QUOTED = r"\\?\"(?:[^\"\\]|\\(?!\").)*(?:\\?\")?|'[^']*'?"
_OPENING = re.compile(r"\\?[\"']")
_REST_OF_LINE = rf"(?:{_QUOTED}|[^\r\n]*)"

_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|Private-MAC: *\w*")


def _token(expression: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9])(?:{expression})")


# Each pattern's first group stays, if it has one; the rest of what it finds goes.
_PATTERNS = (
    re.compile(
        rf"((?:proxy-)?authorization\\?[\"']?\s*(?:=>|[:=])\s*){_REST_OF_LINE}", re.IGNORECASE
    ),
    re.compile(rf"((?:set-)?cookie2?\\?[\"']?\s*(?:=>|[:=])\s*){_REST_OF_LINE}", re.IGNORECASE),
    re.compile(r"\b((?:bearer|basic|digest|negotiate|apikey)\s+)[\w.~+/=-]{6,}", re.IGNORECASE),
    re.compile(r"([a-z0-9+.-]:(?:\\?/){2})[^\s\"'<>,/]{0,500}@", re.IGNORECASE),
    re.compile(
        r"([a-z0-9+.-]:(?:\\?/){2}[^\s\"'<>,/:@]{0,200}:)[^\s\"'<>]{0,500}(?=@)", re.IGNORECASE
    ),
    re.compile(
        r"([?&;](?:[\w-]+-)?(?:signature|credential|security-token|sig|se?cret|token|access_token"
        r"|awsaccesskeyid|key-pair-id|policy|key|code|auth|password|jwt|hmac)(?:=|%3D))[^&\s\"'<>]+",
        re.IGNORECASE,
    ),
    re.compile(r"(https?:(?:\\?/){2}hooks\.slack\.com\\?/\w+\\?/)[\w/\\-]+", re.IGNORECASE),
    _token(r"eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)*"),
    _token(r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"),
    _token(r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"),
    _token(r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|wt)-[\w.-]{16,}"),
    _token(r"xox[a-z](?:\.xox[a-z])?-[\w-]{8,}|xapp-[\w-]{16,}"),
    _token(r"npm_[A-Za-z0-9]{20,}|pypi-[\w-]{20,}|dckr_pat_[\w-]{16,}|hf_[A-Za-z0-9]{20,}"),
    _token(r"[srp]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[\w+/=-]{8,}"),
    _token(r"sk-[\w-]{16,}|gsk_[A-Za-z0-9]{20,}|xai-[\w-]{20,}"),
    _token(r"AIza[\w-]{30,}|ya29\.[\w.-]{10,}|GOCSPX-[\w-]{10,}|1//0[\w-]{20,}"),
    _token(r"SG\.[\w-]{10,}\.[\w-]{10,}|do[opr]_v1_[a-f0-9]{32,}|hv[bsr]\.[\w-]{20,}"),
    _token(r"SK[0-9a-f]{32}|\d{8,10}:AA[\w-]{33}|AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    _token(r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}"),
    # `--password word`, as on a command line.
    re.compile(rf"((?<!\S)--?{_NAME}\s+)(?!-)\S+", re.IGNORECASE),
    re.compile(
        rf"((?:{_WORDS})[\w.-]{{0,40}}(?:\\?[\"'])?\s*(?:=>|:=|[:=])\s*)(?:{_QUOTED}|[^\s,;&\"')}}\]]+)",
        re.IGNORECASE,
    ),
)


class Redactor:
    """Knows the secrets of one host; `texts` it has seen lose them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, text: str) -> str:
        """Give a text without secrets."""
        if self._known:
            text = self._known.sub(GONE, text)
        text = "".join(map(_clipped, _without_keys(text).splitlines(keepends=True)))
        for pattern in _PATTERNS:
            text = pattern.sub(_keeping_first, text)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """Give a JSON-ready value without secrets; it stays one that JSON can hold."""
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each, str(key)) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each, name) for each in value]
        if value is None or isinstance(value, bool):
            return value
        if name and _NAMED.fullmatch(name):
            return GONE
        plain = value if isinstance(value, str) else json.dumps(value)
        clean = self.text(plain)
        return clean if isinstance(value, str) or clean != plain else value


def _clipped(line: str) -> str:
    """Shorten a line that nobody reads whole, and that patterns would take too long for.

    Its last word goes too, since half a secret would not be known for one.
    """
    if len(line) <= LINE_LENGTH:
        return line
    kept = re.split(r"[\s,;]", line[:LINE_LENGTH])
    return f"{line[: LINE_LENGTH - len(kept[-1])]}[cut]{line[-1] if line[-1] in _ENDS else ''}"


def _keeping_first(match: re.Match[str]) -> str:
    """Keep the first group, and the quotes around what goes: JSON is to stay JSON."""
    kept = match[1] if match.re.groups else ""
    quote = _OPENING.match(match[0], len(kept))
    mark = quote[0] if quote else ""
    closed = mark and match[0].endswith(mark) and match.end() - match.start() > len(kept + mark)
    return f"{kept}{mark}{GONE}{mark if closed else ''}"


def _without_keys(text: str) -> str:
    """Take out private keys, cut off ones too: a log's lines may have anything before them."""
    parts, at = [], 0
    first_end, first_begin = _KEY_END.search(text), _KEY_BEGIN.search(text)
    if first_end and (first_begin is None or first_end.start() < first_begin.start()):
        begin = max(0, first_end.start() - KEY_LENGTH)
        parts, at = [text[:begin], GONE], first_end.end()
    while begin_match := _KEY_BEGIN.search(text, at):
        limit = begin_match.end() + KEY_LENGTH
        end = _KEY_END.search(text, begin_match.end(), limit)
        parts += [text[at : begin_match.start()], GONE]
        at = end.end() if end else min(limit, len(text))
    return "".join([*parts, text[at:]])


def _forms(secret: str) -> Iterator[str]:
    """Give the ways in which programs write a value; each line of one that has several, too."""
    lines = [secret, *secret.splitlines()] if "\n" in secret else [secret]
    for value in {line.strip() for line in lines}:
        if len(value) >= SHORTEST:
            yield from _written(value)


def _written(value: str) -> Iterator[str]:
    yield value
    for safe in ("", "/", "/:@"):
        yield urllib.parse.quote(value, safe=safe)
        yield urllib.parse.quote(value, safe=safe).replace("%20", "+")
        yield re.sub("%..", lambda match: match[0].lower(), urllib.parse.quote(value, safe=safe))
    for ascii_only in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield from (escaped, escaped.replace("/", "\\/"), json.dumps(escaped)[1:-1])
    yield value.replace("'", "'\\''")
    yield value.replace("'", "'\"'\"'")
    yield re.sub(r'(["\\`$])', r"\\\1", value)
    yield value.replace("%", "%%")
    yield repr(value)[1:-1]
    data = value.encode("utf-8", "replace")
    yield from (data.hex(), data.hex().upper())
    for altchars in (b"+/", b"-_"):
        yield from _in_base64(data, altchars)


def _in_base64(data: bytes, altchars: bytes) -> Iterator[str]:
    """Give what of `data` can be seen in the base64 of a text that it stands in, anywhere."""
    yield base64.b64encode(data, altchars).decode().rstrip("=")
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data, altchars).decode().rstrip("=")
        # The first and the last characters also hold bits of what stands beside it.
        first = -(-before * 8 // 6)
        last = (before + len(data)) * 8 // 6
        if last - first >= SHORTEST:
            yield encoded[first:last]
