"""What requests say. Names are in camelCase; unknown ones are passed over, as clients grow."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, Self

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

AgentType = Literal["managed", "autonomous"]
AgentStatus = Literal["active", "inactive", "busy", "suspended"]
Role = Literal["organization.owner", "organization.editor", "organization.viewer"]
Reported = Literal["online", "busy", "idle"]


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


def _one_line(value: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("one line without control characters")
    return value


def _distinct(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(_one_line),
]
Line = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
LongText = Annotated[str, Field(max_length=100_000)]
Address = Annotated[str, Field(max_length=2000, pattern=r"^(https?://[^\s]+)?$")]
Reference = Annotated[str, Field(max_length=24, pattern=r"^[0-9a-f]{24}$")]
References = Annotated[list[Reference], Field(max_length=500), AfterValidator(_distinct)]
Tag = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\w.:@/-]+$")]
Tags = Annotated[list[Tag], Field(max_length=50), AfterValidator(_distinct)]
Object = Annotated[dict[str, Any], AfterValidator(_small)]
ReleaseName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(str.lower)
]
Version = Annotated[str, Field(max_length=100), AfterValidator(_one_line)]


class Wire(BaseModel):
    """What all requests share."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        refuse_bad_text(data)
        return data


class AgentFields(Wire):
    """What an agent is configured with."""

    description: LongText = ""
    status: AgentStatus = "inactive"
    role: Role = "organization.viewer"
    group_id: Line = Field(default="", max_length=100)
    guardrail_id: Line = Field(default="", max_length=100)
    release: ReleaseName = "xora-cc-agent"
    instruction_id: Reference | None = None
    deployment_id: Reference | None = None
    node_id: Reference | None = None
    allowed_tool_ids: References = []
    tags: Tags = []
    settings: Object = {}
    metadata: Object = {}


class AgentIn(AgentFields):
    """A new agent."""

    name: Name
    type: AgentType = "managed"


class AgentChanges(Wire):
    """What is changed of an agent."""

    name: Name | None = None
    type: AgentType | None = None
    description: LongText | None = None
    status: AgentStatus | None = None
    role: Role | None = None
    group_id: Line | None = None
    guardrail_id: Line | None = None
    release: ReleaseName | None = None
    instruction_id: Reference | None = None
    deployment_id: Reference | None = None
    node_id: Reference | None = None
    allowed_tool_ids: References | None = None
    tags: Tags | None = None
    settings: Object | None = None
    metadata: Object | None = None


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


class ToolIn(Wire):
    """A new tool."""

    name: Name
    type: Literal["builtin", "custom", "mcp", "api"] = "custom"
    description: LongText = ""
    category: Line = Field(default="", max_length=100)
    status: Literal["active", "inactive"] = "active"
    schema_: Object = Field(default={}, alias="schema")


class ToolChanges(Wire):
    """What is changed of a tool."""

    name: Name | None = None
    type: Literal["builtin", "custom", "mcp", "api"] | None = None
    description: LongText | None = None
    category: Line | None = Field(default=None, max_length=100)
    status: Literal["active", "inactive"] | None = None
    schema_: Object | None = Field(default=None, alias="schema")


class DeploymentIn(Wire):
    """A new deployment of a model."""

    name: Name = "Deployment"
    description: LongText = ""
    provider: Annotated[Name, Field(max_length=60)]
    model: Name
    api_endpoint: Address = Field(default="", alias="apiEndpoint")
    base_api_endpoint: Address = Field(default="", alias="baseAPIEndpoint")
    status: Literal["active", "inactive"] = "active"


class DeploymentChanges(Wire):
    """What is changed of a deployment."""

    name: Name | None = None
    description: LongText | None = None
    provider: Annotated[Name, Field(max_length=60)] | None = None
    model: Name | None = None
    api_endpoint: Address | None = Field(default=None, alias="apiEndpoint")
    base_api_endpoint: Address | None = Field(default=None, alias="baseAPIEndpoint")
    status: Literal["active", "inactive"] | None = None


class NodeIn(Wire):
    """A new node."""

    name: Name
    description: LongText = ""
    role: list[Line] = Field(default=[], max_length=20)
    local: bool = False
    status: Literal["pending", "installing", "online", "offline", "maintenance"] = "pending"
    specs: Object = {}
    location: Object = {}


class NodeChanges(Wire):
    """What is changed of a node."""

    name: Name | None = None
    description: LongText | None = None
    role: list[Line] | None = Field(default=None, max_length=20)
    local: bool | None = None
    status: Literal["pending", "installing", "online", "offline", "maintenance"] | None = None
    specs: Object | None = None
    location: Object | None = None


class ConfigurationIn(Wire):
    """A setting of the organization."""

    key: Annotated[str, Field(max_length=100, pattern=r"^[a-z][A-Za-z0-9._-]*$")]
    value: Annotated[str, Field(max_length=4000), AfterValidator(_one_line)]


class Login(Wire):
    """Who logs in."""

    email: Annotated[str, Field(max_length=254)]
    password: Annotated[str, Field(max_length=1000, repr=False)]


def _password(value: str) -> str:
    if not 10 <= len(value.encode()) <= 72:
        raise ValueError("10 to 72 bytes")
    return value


Password = Annotated[str, Field(max_length=72), AfterValidator(_password)]


class UserIn(Wire):
    """A new user."""

    email: Email
    role: Role = "organization.viewer"
    password: Password | None = None


class UserChanges(Wire):
    """What is changed of a user."""

    role: Role | None = None
    status: Literal["active", "suspended"] | None = None
    password: Password | None = None


class Connect(Wire):
    """An agent's secret."""

    secret: Annotated[str, Field(min_length=1, max_length=256, repr=False)]


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    return value


Number = Annotated[int | float, AfterValidator(_number)]


class Metrics(Wire):
    """What an agent measures: the names of the documents, and any other."""

    model_config = ConfigDict(extra="allow", strict=True)
    conversation_count: Number | None = None
    message_count: Number | None = None
    uptime: Number | None = Field(default=None, description="seconds")
    memory_usage: Number | None = Field(default=None, description="MB")
    cpu: Number | None = None
    memory: Number | None = None
    active_connections: Number | None = None

    @model_validator(mode="after")
    def _small(self) -> Self:
        if len(self.model_dump_json()) > 8192:
            raise ValueError("more than 8192 bytes of JSON")
        return self


class Upgrade(Wire):
    """How the last upgrade on the agent's host went."""

    outcome: Line
    version: Version = ""
    from_version: Version = ""
    at: datetime | None = None
    why: Annotated[str, Field(max_length=1000)] = ""


class HeartbeatIn(Wire):
    """A sign of life. What the documents don't name is optional."""

    status: Reported
    metrics: Metrics | None = None
    version: Version = ""
    config_version: int | None = Field(default=None, ge=0, lt=1 << 31)
    last_upgrade: Upgrade | None = None


class Disconnect(Wire):
    """Why an agent goes."""

    reason: Line = ""


class EnrollmentIn(Wire):
    """A token for many hosts, and what their agents are made like."""

    name: Name
    max_uses: int | None = Field(default=None, ge=1, le=1_000_000)
    expires_at: datetime | None = None
    agent: AgentFields = AgentFields()


class Enroll(Wire):
    """A host that enrolls itself."""

    token: Annotated[str, Field(min_length=1, max_length=200, repr=False)]
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=255)]
    tags: Tags = []
