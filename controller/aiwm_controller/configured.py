"""What an agent gets when it connects or asks for its configuration, in both documents' shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aiwm_controller import agent_settings, shapes
from aiwm_controller.models import Agent, Deployment, Instruction, Tool

Json = dict[str, Any]


@dataclass(frozen=True)
class Configured:
    """An agent with all that it refers to."""

    agent: Agent
    instruction: Instruction | None
    tools: tuple[Tool, ...]
    deployment: Deployment | None


@dataclass(frozen=True)
class Answering:
    """How agents are answered: where this controller and its tools are, and how settings are named.

    `names` is one of `agent_settings.NAMES`.
    """

    base: str
    mcp_name: str
    mcp_url: str
    names: str

    def mcp_servers(self, bearer: str) -> Json:
        """Give the MCP servers in the form of the Claude Code SDK."""
        return {
            self.mcp_name: {
                "type": "http",
                "url": self.mcp_url or f"{self.base}/mcp",
                "headers": {"Authorization": f"Bearer {bearer}"},
            }
        }


async def load(session: AsyncSession, agent: Agent) -> Configured:
    """Read what an agent refers to; what is missing is left out, and fails nothing."""
    tools = await _found(session, Tool, agent, agent.allowed_tool_ids)
    instructions = await _found(session, Instruction, agent, [agent.instruction_id])
    deployments = await _found(session, Deployment, agent, [agent.deployment_id])
    return Configured(
        agent,
        instructions[0] if instructions else None,
        tuple(tool for tool in tools if tool.status == "active"),
        deployments[0] if deployments else None,
    )


async def _found(session: AsyncSession, model: Any, agent: Agent, ids: list[Any]) -> list[Any]:
    wanted = [each for each in ids if each]
    if not wanted:
        return []
    query = select(model).where(
        model.id.in_(wanted), model.org_id == agent.org_id, model.deleted_at.is_(None)
    )
    return sorted(await session.scalars(query), key=lambda row: wanted.index(row.id))


def current(found: Configured, how: Answering, token: str, seconds: int, bearer: str) -> Json:
    """Give the deployment plan's body with what the integration guide adds."""
    agent = found.agent
    instruction = shapes.instruction_of(agent, found.instruction)
    body: Json = {
        "accessToken": token,
        "token": token,
        "expiresIn": seconds,
        "refreshToken": None,
        "refreshExpiresIn": 0,
        "tokenType": "bearer",
        "mcpServers": how.mcp_servers(bearer),
        "instruction": instruction,
        "instructionText": shapes.instruction_text(instruction),
        "tools": [shapes.tool_for_agent(tool) for tool in found.tools],
        "agent": {"id": agent.id, "name": agent.name, "orgId": agent.org_id},
        "settings": agent_settings.NAMES[how.names](agent.settings),
        "configVersion": agent.config_version,
    }
    if found.deployment is not None:
        body["deployment"] = shapes.deployment_for_agent(found.deployment, how.base)
    return body


def legacy(found: Configured, token: str) -> Json:
    """Give the integration guide's body, and nothing else."""
    agent = found.agent
    instruction = shapes.instruction_of(agent, found.instruction)
    return {
        "token": token,
        "instruction": shapes.instruction_text(instruction),
        "tools": [shapes.tool_for_agent(tool) for tool in found.tools],
        "agent": {"id": agent.id, "name": agent.name, "orgId": agent.org_id},
        "settings": agent_settings.nested(agent.settings),
    }
