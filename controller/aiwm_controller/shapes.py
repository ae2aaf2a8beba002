"""What answers say: pure functions from rows to JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiwm_controller.agent_settings import HIDDEN, redacted
from aiwm_controller.clock import text_of
from aiwm_controller.models import (
    Agent,
    Deployment,
    EnrollmentToken,
    Event,
    Instruction,
    Node,
    Presence,
    Tool,
    User,
)

Json = dict[str, Any]


def instruction_text(instruction: Mapping[str, Any]) -> str:
    """Merge a prompt with its guidelines, numbered."""
    lines = [f"{number}. {each}" for number, each in enumerate(instruction["guidelines"], 1)]
    prompt = str(instruction["systemPrompt"])
    return "\n".join([f"{prompt}\n\n## Guidelines", *lines]) if lines else prompt


def instruction_of(agent: Agent, found: Instruction | None) -> Json:
    """Give an agent's instruction, or what says that there is none."""
    if found is not None:
        return {
            "id": found.id,
            "systemPrompt": found.system_prompt,
            "guidelines": list(found.guidelines),
        }
    missing = "Instruction not found." if agent.instruction_id else ""
    return {
        "id": "",
        "systemPrompt": missing or "No instruction configured for this agent.",
        "guidelines": [],
    }


def _owned(row: Any, **fields: Any) -> Json:
    """Give a row of an organization's: its id under both names, its fields, who changed it when."""
    return {
        "id": row.id,
        "_id": row.id,
        **fields,
        "orgId": row.org_id,
        "createdBy": row.created_by,
        "updatedBy": row.updated_by,
        "createdAt": text_of(row.created_at),
        "updatedAt": text_of(row.updated_at),
    }


def agent(row: Agent, presence: Presence, liveness: str) -> Json:
    """Give an agent to people: nothing of its secret, settings redacted."""
    details = dict(row.details)
    if presence.metrics is not None:
        details["lastMetrics"] = presence.metrics
    return _owned(
        row,
        name=row.name,
        description=row.description,
        type=row.type,
        status=row.status,
        role=row.role,
        groupId=row.group_id,
        guardrailId=row.guardrail_id,
        release=row.release,
        host=row.host,
        instructionId=row.instruction_id,
        deploymentId=row.deployment_id,
        nodeId=row.node_id,
        allowedToolIds=list(row.allowed_tool_ids),
        tags=list(row.tags),
        settings=redacted(row.settings),
        metadata=details,
        liveness=liveness,
        version=presence.version,
        configVersion=row.config_version,
        configVersionSeen=presence.config_seen,
        lastUpgrade=presence.upgrade,
        connectionCount=presence.connection_count,
        failedConnects=presence.failed_connects,
        lastConnectedAt=text_of(presence.last_connected_at),
        lastHeartbeatAt=text_of(presence.last_heartbeat_at),
        lastDisconnectedAt=text_of(presence.last_disconnected_at),
        lastDisconnectReason=presence.last_disconnect_reason,
    )


def instruction(row: Instruction) -> Json:
    """Give an instruction."""
    return _owned(
        row,
        name=row.name,
        description=row.description,
        systemPrompt=row.system_prompt,
        guidelines=list(row.guidelines),
    )


def tool(row: Tool) -> Json:
    """Give a tool to people."""
    return _owned(row, **tool_for_agent(row), endpoint=_endpoint(row))


def _endpoint(row: Tool) -> Json | None:
    if row.endpoint is None:
        return None
    return {**row.endpoint, "headers": dict.fromkeys(row.endpoint["headers"], HIDDEN)}


def tool_for_agent(row: Tool) -> Json:
    """Give a tool to an agent; both schemas are there, if empty."""
    return {
        "_id": row.id,
        "name": row.name,
        "type": row.type,
        "description": row.description,
        "category": row.category,
        "status": row.status,
        "schema": {"inputSchema": {}, "outputSchema": {}, **row.schema},
    }


def deployment(row: Deployment) -> Json:
    """Give a deployment to people."""
    return _owned(
        row,
        name=row.name,
        description=row.description,
        provider=row.provider,
        model=row.model,
        apiEndpoint=row.api_endpoint,
        baseAPIEndpoint=row.base_api_endpoint,
        apiKey=HIDDEN if row.sealed_key else "",
        status=row.status,
    )


def deployment_for_agent(row: Deployment, base: str) -> Json:
    """Give a deployment to an agent; `base` is the controller's own address."""
    proxy = row.base_api_endpoint or f"{base}/deployments/{row.id}/inference"
    return {
        "id": row.id,
        "provider": row.provider,
        "model": row.model,
        "baseAPIEndpoint": proxy,
        "apiEndpoint": row.api_endpoint,
    }


def node(row: Node) -> Json:
    """Give a node."""
    return _owned(
        row,
        name=row.name,
        description=row.description,
        role=list(row.role),
        local=row.local,
        status=row.status,
        specs=row.specs,
        location=row.location,
    )


def user(row: User) -> Json:
    """Give a user."""
    return _owned(
        row,
        email=row.email,
        role=row.role,
        status=row.status,
    )


def enrollment(row: EnrollmentToken) -> Json:
    """Give an enrollment token, without the token."""
    return _owned(
        row,
        name=row.name,
        agent=redacted(row.template),
        maxUses=row.max_uses,
        uses=row.uses,
        expiresAt=text_of(row.expires_at),
        revokedAt=text_of(row.deleted_at),
        lastUsedAt=text_of(row.last_used_at),
    )


def event(row: Event) -> Json:
    """Give an event of the audit log."""
    return {
        "id": row.id,
        "at": text_of(row.at),
        "kind": row.kind,
        "agentId": row.agent_id,
        "actor": row.actor,
        "address": row.address,
        "detail": row.detail,
    }


def page(data: Sequence[Json], total: int, number: int, limit: int) -> Json:
    """Give one page of a list."""
    pages = -(-total // limit)
    return {
        "data": list(data),
        "pagination": {"total": total, "page": number, "limit": limit, "totalPages": pages},
    }
