"""What a stand-in is told to answer, whichever provider's API it speaks."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """A tool that the model wants to use."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Say:
    """An answer: a text, in pieces where it is streamed, then calls of tools."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    pause: float = 0.0  # seconds between pieces
    input_tokens: int = 10

    @property
    def pieces(self) -> list[str]:
        """Part the text after each word."""
        return re.findall(r"\S+\s*|\s+", self.text)


@dataclass(frozen=True)
class Fail:
    """An error of the API."""

    status: int
    message: str = "the stand-in was told to fail"
    retry_after: str | None = None
    kind: str = "api_error"


@dataclass(frozen=True)
class Hang:
    """No answer at all for a while, then a closed connection."""

    seconds: float = 60.0


@dataclass(frozen=True)
class BreakOff:
    """A stream that ends in the middle of things."""

    text: str = "half of an"


@dataclass(frozen=True)
class Garbage:
    """An answer that is none of the API's."""

    body: bytes = b"<html>this is not the API</html>"
    content_type: str = "text/html"


Answer = Say | Fail | Hang | BreakOff | Garbage


@dataclass(frozen=True)
class Asked:
    """A request that came in; the names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    at: float = field(default_factory=time.monotonic)
