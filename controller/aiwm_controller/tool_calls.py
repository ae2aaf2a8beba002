"""A tool that is an HTTP call: its request made, its answer read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import httpcore2

from aiwm_controller import __version__
from aiwm_controller.errors import BadGateway, BadRequest
from aiwm_controller.models import Tool
from aiwm_controller.outbound import Asked, endpoint_of

Json = dict[str, Any]
SECONDS = 30
LARGEST = 262_144  # bytes of an answer: more than a model can make use of
_PLACE = re.compile(r"\{([A-Za-z0-9_]+)\}")
_BODILESS = {"GET", "DELETE"}


def runnable(tool: Tool) -> bool:
    """Say whether the controller itself can run a tool."""
    return tool.status == "active" and tool.type == "api" and tool.endpoint is not None


def input_schema(tool: Tool) -> Json:
    """Give a tool's inputSchema as MCP wants it: of an object."""
    found = tool.schema.get("inputSchema")
    return {**(found if isinstance(found, dict) else {}), "type": "object"}


def request_of(endpoint: Json, headers: Mapping[str, str], arguments: Json) -> Asked:
    """Make the request of a call: arguments go into the address, then the query or a JSON body."""
    left = dict(arguments)
    base = endpoint_of(endpoint["url"])
    target = _filled(base.path or "/", arguments, left)
    query = [_filled(base.query, arguments, left)] if base.query else []
    sent = {"user-agent": f"aiwm-controller/{__version__}", "accept": "application/json, */*"}
    sent |= {name.lower(): value for name, value in headers.items()}
    body = None
    if endpoint["method"] in _BODILESS:
        query += [f"{quote_plus(name)}={quote_plus(_text(each))}" for name, each in left.items()]
    else:
        body = json.dumps(left).encode()
        sent.setdefault("content-type", "application/json")
    return Asked(
        method=endpoint["method"],
        base=base,
        target="?".join([target, *filter(None, ["&".join(query)])]).encode(),
        headers=[(name.encode(), value.encode()) for name, value in sent.items()],
        body=body,
        seconds=SECONDS,
    )


def _filled(template: str, arguments: Json, left: Json) -> str:
    """Put arguments into a template; those that stand there are taken out of `left`."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        left.pop(name, None)
        text = _text(arguments.get(name, ""))
        if text in {"", ".", ".."} or isinstance(arguments[name], dict | list):
            raise BadRequest(f"{name} can't stand in an address")
        return quote(text, safe="")

    return quote(_PLACE.sub(value, template), safe="/%:@!$&'()*+,;=?-._~")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)


async def answer_of(response: httpcore2.Response) -> tuple[int, str]:
    """Read an answer; raises BadGateway where it is too large or sends elsewhere."""
    if 300 <= response.status < 400:
        raise BadGateway("the tool's address sends elsewhere")
    headers = {name.lower(): value for name, value in response.headers}
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise BadGateway("the tool's answer is compressed")
    body = b""
    async for part in response.aiter_stream():
        body += part
        if len(body) > LARGEST:
            raise BadGateway(f"the tool's answer has more than {LARGEST} bytes")
    return response.status, body.decode("utf-8", "replace")
