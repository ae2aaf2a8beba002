"""Texts, numbers and objects as requests may hold them: what a database and a line can take."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

DEEPEST = 32
_LONGEST_JSON = 65_536


def refuse_bad_text(data: Any) -> None:
    """Raise ValueError for text that a database can't hold, and for what is nested too deeply."""
    for depth, value in _walk(data):
        if depth > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} deep")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("NaN and Infinity are no JSON")
        if isinstance(value, int) and abs(value) >= 1 << 63:
            raise ValueError("a number of more than 64 bits")
        if isinstance(value, str):
            if "\0" in value:
                raise ValueError("text with a NUL in it")
            if not value.isascii() and re.search("[\ud800-\udfff]", value):
                raise ValueError("text that is no Unicode: half of a surrogate pair")


def _walk(data: Any) -> Iterator[tuple[int, Any]]:
    stack = [(0, data)]
    while stack:
        depth, value = stack.pop()
        yield depth, value
        if isinstance(value, dict):
            stack += [(depth + 1, each) for pair in value.items() for each in pair]
        elif isinstance(value, list):
            stack += [(depth + 1, each) for each in value]


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > _LONGEST_JSON:
        raise ValueError(f"more than {_LONGEST_JSON} bytes of JSON")
    return value


def one_line(value: str) -> str:
    """Raise ValueError for text of several lines, or with control characters."""
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("one line without control characters")
    return value


def _distinct(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(one_line),
]
Line = Annotated[str, Field(max_length=200), AfterValidator(one_line)]
LongText = Annotated[str, Field(max_length=100_000)]
Address = Annotated[str, Field(max_length=2000, pattern=r"^(https?://[^\s]+)?$")]
Reference = Annotated[str, Field(max_length=24, pattern=r"^[0-9a-f]{24}$")]
References = Annotated[list[Reference], Field(max_length=500), AfterValidator(_distinct)]
Tag = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\w.:@/-]+$")]
Tags = Annotated[list[Tag], Field(max_length=50), AfterValidator(_distinct)]
Object = Annotated[dict[str, Any], AfterValidator(_small)]
Role = Literal["organization.owner", "organization.editor", "organization.viewer"]
ReleaseName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(str.lower)
]
HeaderName = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
HeaderValue = Annotated[str, Field(max_length=4000, pattern=r"^([!-~]([ -~]*[!-~])?)?$")]
Version = Annotated[str, Field(max_length=100), AfterValidator(one_line)]


class Wire(BaseModel):
    """What all requests share."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        refuse_bad_text(data)
        return data
