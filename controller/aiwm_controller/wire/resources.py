"""What agents refer to: instructions, tools, deployments, nodes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aiwm_controller.wire.text import (
    Address,
    HeaderName,
    HeaderValue,
    Line,
    LongText,
    Name,
    Object,
    Wire,
)


class InstructionIn(Wire):
    """A new instruction."""

    name: Name = "Instruction"
    description: LongText = ""
    system_prompt: LongText
    guidelines: list[Annotated[str, Field(max_length=10_000)]] = Field(default=[], max_length=200)


class InstructionChanges(Wire):
    """What is changed of an instruction."""

    name: Name | None = None
    description: LongText | None = None
    system_prompt: LongText | None = None
    guidelines: list[Annotated[str, Field(max_length=10_000)]] | None = Field(
        default=None, max_length=200
    )


class Endpoint(Wire):
    """The HTTP call that a tool is; `{name}` in the address stands for an argument."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s]+$")]
    headers: dict[HeaderName, HeaderValue] = Field(default={}, max_length=20, repr=False)


class ToolIn(Wire):
    """A new tool."""

    name: Name
    type: Literal["builtin", "custom", "mcp", "api"] = "custom"
    description: LongText = ""
    category: Line = Field(default="", max_length=100)
    status: Literal["active", "inactive"] = "active"
    schema_: Object = Field(default={}, alias="schema")
    endpoint: Endpoint | None = None


class ToolChanges(Wire):
    """What is changed of a tool."""

    name: Name | None = None
    type: Literal["builtin", "custom", "mcp", "api"] | None = None
    description: LongText | None = None
    category: Line | None = Field(default=None, max_length=100)
    status: Literal["active", "inactive"] | None = None
    schema_: Object | None = Field(default=None, alias="schema")
    endpoint: Endpoint | None = None


class DeploymentIn(Wire):
    """A new deployment of a model."""

    name: Name = "Deployment"
    description: LongText = ""
    provider: Annotated[Name, Field(max_length=60)]
    model: Name
    api_endpoint: Address = Field(default="", alias="apiEndpoint")
    base_api_endpoint: Address = Field(default="", alias="baseAPIEndpoint")
    api_key: HeaderValue = Field(default="", repr=False)
    status: Literal["active", "inactive"] = "active"


class DeploymentChanges(Wire):
    """What is changed of a deployment."""

    name: Name | None = None
    description: LongText | None = None
    provider: Annotated[Name, Field(max_length=60)] | None = None
    model: Name | None = None
    api_endpoint: Address | None = Field(default=None, alias="apiEndpoint")
    base_api_endpoint: Address | None = Field(default=None, alias="baseAPIEndpoint")
    api_key: HeaderValue | None = Field(default=None, repr=False)
    status: Literal["active", "inactive"] | None = None


class NodeIn(Wire):
    """A new node."""

    name: Name
    description: LongText = ""
    role: list[Line] = Field(default=[], max_length=20)
    local: bool = False
    status: Literal["pending", "installing", "online", "offline", "maintenance"] = "pending"
    specs: Object = Field(default={})
    location: Object = Field(default={})


class NodeChanges(Wire):
    """What is changed of a node."""

    name: Name | None = None
    description: LongText | None = None
    role: list[Line] | None = Field(default=None, max_length=20)
    local: bool | None = None
    status: Literal["pending", "installing", "online", "offline", "maintenance"] | None = None
    specs: Object | None = None
    location: Object | None = None
