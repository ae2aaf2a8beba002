"""Holds the arguments of a call to a tool's schema, within bounds: tenants write the schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from aiwm_controller.errors import BadRequest

Json = dict[str, Any]
Keyword = Callable[..., Any]

_STEPS = 50_000  # a second or two, in a thread that holds up all others
_left: ContextVar[Iterator[int]] = ContextVar("left")

# Left to the API: one that was written badly would stop the controller. Regular expressions may
# take for ever; the last three look at everything again for each thing, or at expressions too.
_PASSED_OVER = (
    *("pattern", "patternProperties", "format"),
    *("uniqueItems", "unevaluatedItems", "unevaluatedProperties"),
)


def check(schema: Json, arguments: Json) -> None:
    """Raise BadRequest where arguments don't fit a schema. It refers to nothing outside itself."""
    _left.set(iter(range(_STEPS)))
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
        fault = best_match(_Bounded(schema, registry=Registry()).iter_errors(arguments))
    except (SchemaError, Unresolvable, RecursionError) as error:
        raise BadRequest("the tool's inputSchema is no JSON Schema") from error
    if isinstance(fault, ValidationError):
        where = ".".join(str(part) for part in fault.absolute_path)
        raise BadRequest(f"{where or 'arguments'}: {fault.message[:300]}")


def _counted(keyword: Keyword) -> Keyword:
    """Look at one keyword, as long as there were not too many: references can double each time."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if next(_left.get(), None) is None:
            raise BadRequest("the tool's inputSchema takes too long to check", hint="make it plain")
        yield from keyword(validator, value, instance, schema) or ()

    return counted


def _passed_over(*_: Any) -> tuple[()]:
    return ()


def _additional(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
    if "patternProperties" in schema:  # which are additional, its expressions say
        return ()
    return Draft202012Validator.VALIDATORS["additionalProperties"](
        validator, value, instance, schema
    )


_Bounded: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {name: _counted(keyword) for name, keyword in Draft202012Validator.VALIDATORS.items()}
    | {"additionalProperties": _counted(_additional)}
    | dict.fromkeys(_PASSED_OVER, _passed_over),
)
