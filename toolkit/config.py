"""Reads release/<agent>.toml and toolkit.toml, and says precisely what is wrong in them."""

from __future__ import annotations

import difflib
import tomllib
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
    "missing": "a value",
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

    def __init__(self, file: str, faults: list[Fault], guide: str) -> None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(
            f"{file} has {count}",
            why="\n".join(str(fault) for fault in faults),
            hint=f"mend {file}; {guide} describes every key",
        )
        self.file = file
        self.faults = tuple(faults)


def parse_agent(text: str, *, file: str) -> AgentSpec:
    """Read the text of a release/<agent>.toml; `file` is its name in errors."""
    return parse(AgentSpec, text, file=file, guide="docs/release-file.md")


def parse(model: type[M], text: str, *, file: str, guide: str) -> M:
    """Read TOML text into `model`; `guide` is the document that describes the file.

    Raises InvalidFileError with each fault's key, what was found and what is expected.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        fault = Fault("the file", f"a mistake in its TOML ({error})", "TOML")
        raise InvalidFileError(file, [fault], guide) from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt key first: it explains the missing one.
        details = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        faults = [_fault(model, data, each) for each in details]
        raise InvalidFileError(file, faults, guide) from error


def _fault(model: type[BaseModel], data: dict[str, Any], details: ErrorDetails) -> Fault:
    location = tuple(_real_keys(data, details["loc"]))
    key = ".".join(str(part) for part in location) or "the file"
    if details["type"] == "extra_forbidden":
        return _unknown_key(model, data, location, key)
    if details["type"] == "missing":
        return Fault(key, "nothing", _expected(details))
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_kind(model, data, location, details)
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


def _unknown_kind(
    model: type[BaseModel], data: dict[str, Any], location: Location, details: ErrorDetails
) -> Fault:
    """Report the key that says which kind of table this is, such as runtime.kind."""
    kind = str(details["ctx"]["discriminator"]).strip("'")
    known = [
        repr(value)
        for each in _models_at(model, data, location)
        for value in typing.get_args(each.model_fields[kind].annotation)
    ]
    key = ".".join(str(part) for part in (*location, kind))
    table = details["input"]
    found = repr(table[kind]) if kind in table else "nothing"
    return Fault(key, found, "one of " + ", ".join(known))


def _keys_at(model: type[BaseModel], data: dict[str, Any], location: Location) -> list[str]:
    return sorted(_models_at(model, data, location)[0].model_fields)


def _models_at(
    model: type[BaseModel], data: dict[str, Any], location: Location
) -> list[type[BaseModel]]:
    """Give the models that the table at `location` may have; a table of tables is passed through.

    It is one model where the table says of which kind it is.
    """
    candidates = [model]
    for part in location:
        data = data[str(part)]
        field = candidates[0].model_fields.get(str(part))
        found = list(_models_in(field.annotation)) if field else candidates
        candidates = [each for each in found if _is_of_kind(each, data)] or found
    return candidates


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)


def _is_of_kind(model: type[BaseModel], data: dict[str, Any]) -> bool:
    """Say whether the table names this model by the one value that such a key of it can have."""
    return any(
        data.get(key) in typing.get_args(field.annotation)
        for key, field in model.model_fields.items()
        if typing.get_origin(field.annotation) is typing.Literal
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _expected(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    words = details["msg"].removeprefix("Input should be ")
    match details["type"]:
        case "value_error":
            words = str(context["error"])
        case "string_pattern_mismatch":
            pattern = str(context["pattern"])
            words = PATTERNS.get(pattern, f"text that matches {pattern}")
        case "literal_error":
            words = f"one of {context['expected']}"
        case "too_short":
            words = f"a list of at least {context['min_length']}"
    return WORDS.get(details["type"], words)
