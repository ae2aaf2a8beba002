"""What answers say: pure functions from rows to JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

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
HIDDEN = "********"
_SECRET = re.compile(r"token$|secret|password|credential|api_?key|private_?key", re.IGNORECASE)

# The nested names of the integration guide, and the flat ones under which they are stored.
NESTED = {
    ("claudeModel",): "claude_model",
    ("maxTurns",): "claude_maxTurns",
    ("permissionMode",): "claude_permissionMode",
    ("resume",): "claude_resume",
    ("claudeOAuthToken",): "claude_oauthToken",
    ("discord", "token"): "discord_token",
    ("discord", "channelIds"): "discord_channelIds",
    ("discord", "botId"): "discord_botId",
    ("telegram", "token"): "telegram_token",
    ("telegram", "groupIds"): "telegram_groupIds",
    ("telegram", "botUsername"): "telegram_botUsername",
}


def flat(settings: Mapping[str, Any]) -> Json:
    """Give settings under their flat names; a flat name that was given too wins."""
    rest = dict(settings)
    found: Json = {}
    for path, name in NESTED.items():
        holder = rest if len(path) == 1 else rest.get(path[0])
        if isinstance(holder, dict) and path[-1] in holder:
            found[name] = holder[path[-1]]
    for path in NESTED:
        if len(path) == 1:
            rest.pop(path[0], None)
        elif isinstance(rest.get(path[0]), dict):
            left = {key: value for key, value in rest[path[0]].items() if key != path[1]}
            rest = {**rest, path[0]: left} if left else _less(rest, path[0])
    return {**found, **rest}


def _less(values: Json, name: str) -> Json:
    return {key: value for key, value in values.items() if key != name}


def nested(settings: Mapping[str, Any]) -> Json:
    """Give flat settings under the nested names of the integration guide."""
    known = set(NESTED.values())
    found: Json = {key: value for key, value in settings.items() if key not in known}
    for path, name in NESTED.items():
        if name not in settings:
            continue
        if len(path) == 1:
            found[path[0]] = settings[name]
        else:
            group = found.get(path[0])
            found[path[0]] = {
                **(group if isinstance(group, dict) else {}),
                path[1]: settings[name],
            }
    return found


def both(settings: Mapping[str, Any]) -> Json:
    """Give settings under flat and nested names."""
    return {**nested(settings), **settings}


def redacted(value: Any) -> Any:
    """Give settings without what nobody may see."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if _SECRET.search(key) and each not in ("", None) else redacted(each)
            for key, each in value.items()
        }
    return [redacted(each) for each in value] if isinstance(value, list) else value


def unredacted(new: Any, old: Any) -> Any:
    """Put back what a person read redacted and sent back unchanged."""
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        kept = {
            key: before.get(key) if each == HIDDEN else unredacted(each, before.get(key))
            for key, each in new.items()
        }
        return {key: each for key, each in kept.items() if new[key] != HIDDEN or key in before}
    return new


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


def _stamps(row: Any) -> Json:
    return {
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
    return {
        "id": row.id,
        "_id": row.id,
        "name": row.name,
        "description": row.description,
        "type": row.type,
        "status": row.status,
        "role": row.role,
        "groupId": row.group_id,
        "guardrailId": row.guardrail_id,
        "release": row.release,
        "host": row.host,
        "instructionId": row.instruction_id,
        "deploymentId": row.deployment_id,
        "nodeId": row.node_id,
        "allowedToolIds": list(row.allowed_tool_ids),
        "tags": list(row.tags),
        "settings": redacted(row.settings),
        "metadata": details,
        "liveness": liveness,
        "version": presence.version,
        "configVersion": row.config_version,
        "configVersionSeen": presence.config_seen,
        "lastUpgrade": presence.upgrade,
        "connectionCount": presence.connection_count,
        "failedConnects": presence.failed_connects,
        "lastConnectedAt": text_of(presence.last_connected_at),
        "lastHeartbeatAt": text_of(presence.last_heartbeat_at),
        "lastDisconnectedAt": text_of(presence.last_disconnected_at),
        "lastDisconnectReason": presence.last_disconnect_reason,
        **_stamps(row),
    }


def instruction(row: Instruction) -> Json:
    """Give an instruction."""
    return {
        "id": row.id,
        "_id": row.id,
        "name": row.name,
        "description": row.description,
        "systemPrompt": row.system_prompt,
        "guidelines": list(row.guidelines),
        **_stamps(row),
    }


def tool(row: Tool) -> Json:
    """Give a tool to people."""
    return {"id": row.id, **tool_for_agent(row), **_stamps(row)}


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
    return {
        "id": row.id,
        "_id": row.id,
        "name": row.name,
        "description": row.description,
        "provider": row.provider,
        "model": row.model,
        "apiEndpoint": row.api_endpoint,
        "baseAPIEndpoint": row.base_api_endpoint,
        "status": row.status,
        **_stamps(row),
    }


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
    return {
        "id": row.id,
        "_id": row.id,
        "name": row.name,
        "description": row.description,
        "role": list(row.role),
        "local": row.local,
        "status": row.status,
        "specs": row.specs,
        "location": row.location,
        **_stamps(row),
    }


def user(row: User) -> Json:
    """Give a user."""
    return {
        "id": row.id,
        "_id": row.id,
        "email": row.email,
        "role": row.role,
        "status": row.status,
        **_stamps(row),
    }


def enrollment(row: EnrollmentToken) -> Json:
    """Give an enrollment token, without the token."""
    return {
        "id": row.id,
        "name": row.name,
        "agent": redacted(row.template),
        "maxUses": row.max_uses,
        "uses": row.uses,
        "expiresAt": text_of(row.expires_at),
        "revokedAt": text_of(row.deleted_at),
        "lastUsedAt": text_of(row.last_used_at),
        **_stamps(row),
    }


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
