"""Schemas that tenants write: whatever stands in them, the controller goes on."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiwm_controller.errors import BadRequest
from aiwm_controller.tool_schemas import check


def doubling(levels: int) -> dict[str, Any]:
    """Give a schema whose references are followed twice at each level."""
    definitions: dict[str, Any] = {
        f"a{level}": {"anyOf": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)
    }
    definitions[f"a{levels}"] = {"type": "integer"}
    return {"$defs": definitions, "properties": {"x": {"$ref": "#/$defs/a0"}}}


@pytest.mark.parametrize(
    ("schema", "arguments", "refused"),
    [
        (doubling(40), {"x": "text"}, True),
        ({"allOf": [{"items": {"$ref": "#"}, "properties": {"x": {"$ref": "#"}}}]}, {}, False),
        ({"properties": {"x": {"$ref": "#/properties/x"}}}, {"x": 1}, True),
        (
            {"properties": {"x": {"uniqueItems": True}}},
            {"x": [[number, {}] if number % 2 else {"a": number} for number in range(20_000)]},
            False,
        ),
        (
            {"properties": {"x": {"pattern": "^(a+)+$"}}, "patternProperties": {"^(x+)+y$": False}},
            {"x": "a" * 50 + "b", "x" * 50: 1},
            False,
        ),
        ({"properties": {"x": {"items": {"type": "integer"}}}}, {"x": [1] * 100_000}, True),
    ],
    ids=["doubling", "recursive", "endless", "unique", "expressions", "long"],
)
def test_none_takes_for_ever(
    schema: dict[str, Any], arguments: dict[str, Any], refused: bool
) -> None:
    begin = time.monotonic()
    if refused:
        with pytest.raises(BadRequest, match="inputSchema"):
            check(schema, arguments)
    else:
        check(schema, arguments)
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize("name", ["format", "pattern", "patternProperties", "uniqueItems"])
def test_an_argument_may_be_called_as_a_keyword_is(name: str) -> None:
    schema = {"properties": {name: {"type": "string"}}, "additionalProperties": False}
    check(schema, {name: "json"})
    with pytest.raises(BadRequest, match="is not of type 'string'"):
        check(schema, {name: 1})
    with pytest.raises(BadRequest, match="unexpected"):
        check(schema, {name: "json", "other": 1})
