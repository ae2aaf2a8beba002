"""Agents as people make and change them, and hosts that enroll."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from aiwm_controller.wire.text import (
    Line,
    LongText,
    Name,
    Object,
    Reference,
    References,
    ReleaseName,
    Role,
    Tags,
    Wire,
)

AgentType = Literal["managed", "autonomous"]
AgentStatus = Literal["active", "inactive", "busy", "suspended"]


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
    allowed_tool_ids: References = Field(default=[])
    tags: Tags = Field(default=[])
    settings: Object = Field(default={})
    metadata: Object = Field(default={})


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
    tags: Tags = Field(default=[])
    claim: Annotated[str, Field(min_length=32, max_length=200, repr=False)] = ""
