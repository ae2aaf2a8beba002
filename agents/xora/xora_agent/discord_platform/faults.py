"""What Discord's refusals mean, and what to do about each."""

from __future__ import annotations

import asyncio

import aiohttp
import discord

from xora_agent.errors import PlatformError, PlatformRefused

# Close codes of the gateway: https://discord.com/developers/docs/topics/opcodes-and-status-codes
AUTHENTICATION_FAILED = 4004
DISALLOWED_INTENTS = 4014

# What a request to Discord can end with.
REQUEST_FAULTS = (discord.DiscordException, aiohttp.ClientError, OSError, asyncio.TimeoutError)


def explain(fault: BaseException | None) -> PlatformError:
    """Give the fault in the agent's own words."""
    if isinstance(fault, discord.LoginFailure) or _code(fault) == AUTHENTICATION_FAILED:
        return PlatformRefused(
            "Discord refuses the token",
            why="it is wrong, or was reset",
            hint="take the token from https://discord.com/developers/applications (Bot, Reset"
            " Token) into discord_token (DISCORD_TOKEN)",
        )
    if isinstance(fault, discord.PrivilegedIntentsRequired) or _code(fault) == DISALLOWED_INTENTS:
        return PlatformRefused(
            "Discord does not let the bot read messages",
            why="its Message Content Intent is off",
            hint="turn on Bot > Privileged Gateway Intents > Message Content Intent at"
            " https://discord.com/developers/applications",
        )
    if isinstance(fault, discord.Forbidden):
        return PlatformError(
            "Discord does not let the bot write there",
            why=fault.text,
            hint="give the bot View Channel, Send Messages and Send Messages in Threads there",
        )
    if isinstance(fault, discord.HTTPException):
        return PlatformError("Discord refuses the request", why=f"{fault.status} {fault.text}")
    return PlatformError("Discord can't be reached", why=_cause(fault))


def _code(fault: BaseException | None) -> int | None:
    return fault.code if isinstance(fault, discord.ConnectionClosed) else None


def _cause(fault: BaseException | None) -> str:
    """Name what came first: the library trips over its own feet when the first connection fails."""
    while fault is not None and not isinstance(fault, REQUEST_FAULTS) and fault.__context__:
        fault = fault.__context__
    return f"{type(fault).__name__}: {fault}" if fault else "the connection ended"
