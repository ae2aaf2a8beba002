"""Parts of files, as HTTP's Range header asks for them (RFC 9110, section 14)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_CHUNK = 1 << 16
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Span:
    """The part of a file to send: bytes `first` to `last`, both included."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        """Bytes to send."""
        return self.last - self.first + 1


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a Range header asks for, or None when it can't be met.

    Args:
        text: the header's value, one range of bytes.
        size: the file's length.
    """
    match = _RANGE.fullmatch(text)
    if match is None or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    first = int(start) if start else max(size - int(end), 0)
    last = min(int(end), size - 1) if start and end else size - 1
    return (first, last) if first <= last else None


def read_span(source: BinaryIO, span: Span, limit: int, *, flip: bool) -> Iterator[bytes]:
    """Yield the bytes of a part, in chunks.

    Args:
        source: the open file.
        span: the part.
        limit: stop after so many bytes.
        flip: change one bit of the byte in the middle of the whole file.
    """
    source.seek(span.first)
    place, left = span.first, min(span.length, limit)
    while left > 0:
        chunk = bytearray(source.read(min(_CHUNK, left)))
        if not chunk:
            return
        middle = span.size // 2 - place
        if flip and 0 <= middle < len(chunk):
            chunk[middle] ^= 1
        yield bytes(chunk)
        place, left = place + len(chunk), left - len(chunk)
