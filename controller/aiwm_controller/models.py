"""The tables. Ids are 24 hexadecimal digits, times are UTC, lists and objects are JSON."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]


def new_id() -> str:
    """Make an id of the form that the documents show: the time, then chance."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


class Utc(TypeDecorator[datetime]):
    """A moment; SQLite forgets zones, so that they are put on again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that what was stored is UTC."""
        del dialect
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """What all tables share."""

    type_annotation_map = {datetime: Utc, Json: JSON, list[str]: JSON, bytes: LargeBinary}  # noqa: RUF012


Id = String(24)


class Organization(Base):
    """A tenant: it sees nothing of any other."""

    __tablename__ = "organizations"
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


class Owned:
    """What belongs to one organization and is deleted softly."""

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    org_id: Mapped[str] = mapped_column(Id, ForeignKey("organizations.id"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(100), default="")
    updated_by: Mapped[str] = mapped_column(String(100), default="")
    deleted_at: Mapped[datetime | None]


class User(Owned, Base):
    """A person. `generation` is in each of the person's tokens: a new one ends them all."""

    __tablename__ = "users"
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(100), deferred=True)
    role: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20), default="active")
    generation: Mapped[int] = mapped_column(default=0)


class Agent(Owned, Base):
    """An agent as it is configured; what is heard from it stands in its presence."""

    __tablename__ = "agents"
    __table_args__ = (Index("agents_listed", "org_id", "deleted_at", "created_at"),)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    type: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    role: Mapped[str] = mapped_column(String(40))
    group_id: Mapped[str] = mapped_column(String(100), default="")
    guardrail_id: Mapped[str] = mapped_column(String(100), default="")
    release: Mapped[str] = mapped_column(String(40), default="xora-cc-agent")
    instruction_id: Mapped[str | None] = mapped_column(Id, index=True)
    deployment_id: Mapped[str | None] = mapped_column(Id, index=True)
    node_id: Mapped[str | None] = mapped_column(Id, index=True)
    allowed_tool_ids: Mapped[list[str]]
    tags: Mapped[list[str]]
    settings: Mapped[Json]
    details: Mapped[Json] = mapped_column("metadata")
    config_version: Mapped[int] = mapped_column(default=1)
    secret_hash: Mapped[str | None] = mapped_column(String(100), deferred=True)
    secret_generation: Mapped[int] = mapped_column(default=0)
    enrolled_by: Mapped[str | None] = mapped_column(Id)
    # Of what the host that enrolled keeps to itself; empty once an operator lets go of that host.
    claim_hash: Mapped[str | None] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(String(255), default="")


class AgentTag(Base):
    """One tag of one agent, so that agents are found by it."""

    __tablename__ = "agent_tags"
    agent_id: Mapped[str] = mapped_column(Id, ForeignKey("agents.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(60), primary_key=True, index=True)


class Presence(Base):
    """What was last heard from an agent: a narrow row, since each heartbeat writes it."""

    __tablename__ = "presences"
    agent_id: Mapped[str] = mapped_column(Id, ForeignKey("agents.id"), primary_key=True)
    last_connected_at: Mapped[datetime | None]
    last_heartbeat_at: Mapped[datetime | None]
    last_disconnected_at: Mapped[datetime | None]
    last_disconnect_reason: Mapped[str] = mapped_column(String(200), default="")
    connection_count: Mapped[int] = mapped_column(default=0)
    failed_connects: Mapped[int] = mapped_column(default=0)
    beats: Mapped[int] = mapped_column(BigInteger, default=0)
    reported: Mapped[str] = mapped_column(String(10), default="")
    version: Mapped[str] = mapped_column(String(100), default="")
    config_seen: Mapped[int | None]
    metrics: Mapped[Json | None]
    upgrade: Mapped[Json | None]


class Heartbeat(Base):
    """One of an agent's last heartbeats; `slot` goes round, so that their number has a bound."""

    __tablename__ = "heartbeats"
    agent_id: Mapped[str] = mapped_column(Id, ForeignKey("agents.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(10))
    version: Mapped[str] = mapped_column(String(100))
    metrics: Mapped[Json | None]


class Instruction(Owned, Base):
    """What an agent is told: a prompt and numbered guidelines."""

    __tablename__ = "instructions"
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    system_prompt: Mapped[str] = mapped_column(Text)
    guidelines: Mapped[list[str]]


class Tool(Owned, Base):
    """Something that agents may be allowed to use."""

    __tablename__ = "tools"
    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(Text, default="")
    category: Mapped[str] = mapped_column(String(100), default="")
    status: Mapped[str] = mapped_column(String(20), default="active")
    schema: Mapped[Json]
    endpoint: Mapped[Json | None]
    sealed_headers: Mapped[bytes | None]


class Deployment(Owned, Base):
    """A provider's model, and where it is reached."""

    __tablename__ = "deployments"
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    provider: Mapped[str] = mapped_column(String(60))
    model: Mapped[str] = mapped_column(String(200))
    api_endpoint: Mapped[str] = mapped_column(String(2000), default="")
    base_api_endpoint: Mapped[str] = mapped_column(String(2000), default="")
    sealed_key: Mapped[bytes | None]
    status: Mapped[str] = mapped_column(String(20), default="active")


class Node(Owned, Base):
    """A machine of the organization's own, which agents may be said to run on."""

    __tablename__ = "nodes"
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    role: Mapped[list[str]]
    local: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(String(20), default="pending")
    specs: Mapped[Json]
    location: Mapped[Json]


class Configuration(Base):
    """A setting of an organization, by its key."""

    __tablename__ = "configurations"
    __table_args__ = (UniqueConstraint("org_id", "key"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    org_id: Mapped[str] = mapped_column(Id, ForeignKey("organizations.id"))
    key: Mapped[str] = mapped_column(String(100))
    value: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(100), default="")


class EnrollmentToken(Owned, Base):
    """Lets many hosts enroll, each as an agent of its own made after `template`."""

    __tablename__ = "enrollment_tokens"
    name: Mapped[str] = mapped_column(String(200))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    template: Mapped[Json]
    max_uses: Mapped[int | None]
    uses: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class InstallToken(Base):
    """Fetches one whole install script once; the secret in it opens by the token alone."""

    __tablename__ = "install_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    agent_id: Mapped[str] = mapped_column(Id, ForeignKey("agents.id"), index=True)
    sealed: Mapped[bytes]
    expires_at: Mapped[datetime]


class Event(Base):
    """Something that happened to credentials, or a connection that began or ended."""

    __tablename__ = "events"
    __table_args__ = (
        Index("events_listed", "org_id", "id"),
        Index("events_of_agent", "agent_id", "id"),
    )
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    org_id: Mapped[str] = mapped_column(Id)
    agent_id: Mapped[str | None] = mapped_column(Id)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(300))
    address: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[Json]


class Key(Base):
    """A key that the controller made for itself."""

    __tablename__ = "keys"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(200), deferred=True)
