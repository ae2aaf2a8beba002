"""Reads release/<agent>.toml and toolkit.toml, and says precisely what is wrong in them."""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from toolkit.errors import ConfigError
from toolkit.spec import PATTERNS, AgentSpec

M = TypeVar("M", bound=BaseModel)
Location = tuple[int | str, ...]

# pydantic's kinds of type errors in a person's words.
WORDS = {
    "string_type": "text in quotes",
    "int_type": "a whole number, without quotes",
    "float_type": "a number, without quotes",
    "bool_type": "true or false, without quotes",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a file: where, what stands there, what should, and a likely mend."""

    key: str
    found: str
    expected: str
    suggestion: str = ""

    def __str__(self) -> str:
        mend = f" (did you mean {self.suggestion}?)" if self.suggestion else ""
        return f"{self.key}: found {self.found}, expected {self.expected}{mend}"


class InvalidFileError(ConfigError):
    """A TOML file with faults, all of them in `faults`."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(
            f"{file} has {count}",
            why="\n".join(str(fault) for fault in faults),
            hint=f"mend {file}; docs/release-file.md describes every key",
        )
        self.file = file
        self.faults = tuple(faults)


def parse_agent(text: str, *, file: str) -> AgentSpec:
    """Read the text of a release/<agent>.toml; `file` is its name in errors."""
    return parse(AgentSpec, text, file=file)


def parse(model: type[M], text: str, *, file: str) -> M:
    """Read TOML text into `model`.

    Raises InvalidFileError with each fault's key, what was found and what is expected.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        fault = Fault("the file", f"a mistake in its TOML ({error})", "TOML")
        raise InvalidFileError(file, [fault]) from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = [_fault(model, data, details) for details in error.errors()]
        raise InvalidFileError(file, faults) from error


def _fault(model: type[BaseModel], data: dict[str, Any], details: ErrorDetails) -> Fault:
    location = tuple(_real_keys(data, details["loc"]))
    key = ".".join(str(part) for part in location) or "the file"
    if details["type"] == "extra_forbidden":
        return _unknown_key(model, data, location, key)
    if details["type"] == "missing":
        return Fault(key, "nothing", _expected(details))
    if not location:
        return Fault(key, "values that do not fit together", _expected(details))
    return Fault(key, _shown(details["input"]), _expected(details))


def _real_keys(data: Any, location: Location) -> Iterator[int | str]:
    """Drop the names of union members, which pydantic puts between the keys of the file."""
    for index, part in enumerate(location):
        if isinstance(data, dict):
            if part not in data and index < len(location) - 1:
                continue
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part]
        yield part


def _unknown_key(
    model: type[BaseModel], data: dict[str, Any], location: Location, key: str
) -> Fault:
    known = _keys_at(model, data, location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return Fault(key, "an unknown key", "one of " + ", ".join(known), near[0] if near else "")


def _keys_at(model: type[BaseModel], data: dict[str, Any], location: Location) -> list[str]:
    for part in location:
        data = data[str(part)]
        candidates = list(_models_in(model.model_fields[str(part)].annotation))
        model = next((m for m in candidates if _discriminates(m, data)), candidates[0])
    return sorted(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif isinstance(annotation, types.UnionType) or typing.get_origin(annotation):
        for argument in typing.get_args(annotation):
            yield from _models_in(argument)


def _discriminates(model: type[BaseModel], data: dict[str, Any]) -> bool:
    kind = model.model_fields.get("kind")
    return kind is not None and data.get("kind") in typing.get_args(kind.annotation)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _expected(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return "a value"
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            pattern = str(context["pattern"])
            return PATTERNS.get(pattern, f"text that matches {pattern}")
        case "literal_error" | "union_tag_invalid":
            return "one of " + str(context.get("expected") or context.get("expected_tags"))
        case "union_tag_not_found":
            return "a table with a `kind`"
        case "too_short":
            return f"a list of at least {context['min_length']}"
    return WORDS.get(details["type"]) or details["msg"].removeprefix("Input should be ")
