"""Users, how they log in, and what their organization sets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from aiwm_controller.wire.text import Email, Role, Wire, one_line


class ConfigurationIn(Wire):
    """A setting of the organization."""

    key: Annotated[str, Field(max_length=100, pattern=r"^[a-z][A-Za-z0-9._-]*$")]
    value: Annotated[str, Field(max_length=4000), AfterValidator(one_line)]


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
