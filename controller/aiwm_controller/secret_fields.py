"""What requests set in the clear and the database keeps sealed: keys of providers, headers."""

from __future__ import annotations

import json
import re
from typing import Any

from aiwm_controller.agent_settings import HIDDEN
from aiwm_controller.errors import BadRequest
from aiwm_controller.models import Deployment, Tool
from aiwm_controller.outbound import endpoint_of
from aiwm_controller.sealing import Sealer

Json = dict[str, Any]
# As the providers of models take names of functions.
_CALLABLE = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A call has these by itself.
_RESERVED = {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "expect"}


def none(fields: Json, row: Any, sealer: Sealer) -> Json:
    """Give fields as they are: there is no secret among them."""
    del row, sealer
    return fields


def of_deployment(fields: Json, row: Deployment | None, sealer: Sealer) -> Json:
    """Seal a provider's key; empty removes it, and what was read redacted leaves it."""
    del row
    found = dict(fields)
    if found.get("api_endpoint"):
        endpoint_of(found["api_endpoint"])
    if "api_key" not in found:
        return found
    key = found.pop("api_key")
    if key == HIDDEN:
        return found
    return {**found, "sealed_key": sealer.seal(key) if key else None}


def of_tool(fields: Json, row: Tool | None, sealer: Sealer) -> Json:
    """Seal the headers of a tool's endpoint; raises BadRequest where it can't be called."""
    found = dict(fields)
    if found.get("endpoint"):
        endpoint = found["endpoint"]
        _check_address(endpoint["url"])
        headers = _headers(endpoint["headers"], row, sealer)
        found["endpoint"] = {**endpoint, "headers": sorted(headers)}
        found["sealed_headers"] = sealer.seal(json.dumps(headers)) if headers else None
    elif "endpoint" in found:
        found["sealed_headers"] = None
    _check_callable(found, row)
    return found


def headers_of(row: Tool, sealer: Sealer) -> dict[str, str]:
    """Give the headers of a tool's endpoint in the clear."""
    if row.sealed_headers is None:
        return {}
    found: dict[str, str] = json.loads(sealer.open(row.sealed_headers))
    return found


def _headers(given: dict[str, str], row: Tool | None, sealer: Sealer) -> dict[str, str]:
    if len({name.lower() for name in given}) < len(given):
        raise BadRequest("endpoint.headers names one twice")
    if reserved := _RESERVED & {name.lower() for name in given}:
        raise BadRequest(f"endpoint.headers can't set {', '.join(sorted(reserved))}")
    if HIDDEN not in given.values():
        return given
    before = headers_of(row, sealer) if row is not None else {}
    kept = {name: before.get(name) if each == HIDDEN else each for name, each in given.items()}
    return {name: each for name, each in kept.items() if each is not None}


def _check_address(url: str) -> None:
    parts = endpoint_of(url)
    if "{" in parts.netloc:
        raise BadRequest("endpoint.url: the host can't be an argument")


def _check_callable(fields: Json, row: Tool | None) -> None:
    """Look at a tool as it will be: only one of type api, with a plain name, has an endpoint."""

    def will_be(name: str) -> Any:
        return fields[name] if name in fields else getattr(row, name, None)

    if will_be("endpoint") is None:
        return
    if will_be("type") != "api":
        raise BadRequest("only a tool of the type api has an endpoint")
    if not _CALLABLE.fullmatch(str(will_be("name"))):
        raise BadRequest(
            "a tool with an endpoint needs a name that models can call",
            hint="up to 64 letters, digits, - and _",
        )
