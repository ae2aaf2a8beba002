"""What agents say: their secret, heartbeats, goodbye."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from aiwm_controller.wire.text import Line, Version, Wire

Reported = Literal["online", "busy", "idle"]


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
