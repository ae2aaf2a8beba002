"""What a controller answers, held to what it should be; names are those of both documents."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from xora_agent.errors import BadAnswer

DAY = 86_400.0

_Text = Annotated[str, Field(max_length=1_000_000)]
_Line = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Token = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[\x21-\x7e]+$")]


class _Answer(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, data: Any) -> Any:
        """Take null as "not there", as JavaScript does."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}


class Instruction(_Answer):
    """A prompt and its guidelines."""

    system_prompt: _Text = ""
    guidelines: list[_Text] = []

    @property
    def text(self) -> str:
        """Merge them, the guidelines numbered."""
        lines = [f"{number}. {each}" for number, each in enumerate(self.guidelines, 1)]
        return "\n".join([f"{self.system_prompt}\n\n## Guidelines", *lines] if lines else []) or (
            self.system_prompt
        )


class Tool(_Answer):
    """A tool that the agent may use."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    type: _Line = "custom"
    status: _Line = "active"


class Identity(_Answer):
    """Who the agent is."""

    id: _Line = ""
    name: _Line = ""
    org_id: _Line = ""


class Deployment(_Answer):
    """The model that answers, and where it is asked."""

    provider: _Line
    model: _Line
    base_api_endpoint: _Line = Field(default="", alias="baseAPIEndpoint")
    api_endpoint: _Line = Field(default="", alias="apiEndpoint")


class Server(_Answer):
    """A server of tools."""

    type: _Line = "http"
    url: _Line = ""
    headers: dict[str, _Line] = {}


class Configuration(_Answer):
    """All that an agent is configured with. The instruction is an object or a text."""

    instruction: Instruction | _Text | None = None
    instruction_text: _Text | None = None
    tools: list[Tool] | None = None
    agent: Identity = Identity()
    settings: dict[str, Any] = {}
    mcp_servers: dict[str, Server] | None = None
    deployment: Deployment | None = None
    config_version: int | None = Field(default=None, ge=0)

    @property
    def prompt(self) -> str | None:
        """Give the instruction as one text; None where the controller said none."""
        if isinstance(self.instruction, Instruction):
            return self.instruction.text
        return self.instruction if self.instruction is not None else self.instruction_text


class Connection(Configuration):
    """A token and a configuration."""

    access_token: _Token = Field(validation_alias=AliasChoices("accessToken", "token"), repr=False)
    expires_in: float = Field(default=DAY, gt=0, le=10 * 365 * DAY)


class Acknowledged(_Answer):
    """What is said to a heartbeat."""

    next_heartbeat: float | None = Field(default=None, gt=0, le=DAY)
    config_version: int | None = Field(default=None, ge=0)


A = TypeVar("A", bound=_Answer)


def parse(model: type[A], data: Any) -> A:
    """Hold an answer to `model`; raises BadAnswer that says where, and never what stood there."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(str(part)[:40] for part in each['loc']) or 'the body'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise BadAnswer(
            "the controller's answer can't be used",
            why="; ".join(wrong[:4]),
            hint="check AIWM_BASE_URL, and that controller and agent are of versions that fit",
        ) from None
