"""Discord, through discord.py."""

from xora_agent.discord_platform.discord import Discord

__all__ = ["Discord"]
