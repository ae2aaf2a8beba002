"""The connection to Discord, as one bot."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable
from typing import Any

import aiohttp
import discord as library
from discord import app_commands
from yarl import URL

from xora_agent.discord_platform.connector import Rerouted
from xora_agent.discord_platform.faults import REQUEST_FAULTS, explain
from xora_agent.discord_platform.line import Line
from xora_agent.discord_platform.rooms import ChannelRoom, CommandRoom
from xora_agent.errors import PlatformError, PlatformRefused
from xora_agent.inflight import Inflight
from xora_agent.outage import Outage
from xora_agent.platform import Access, Receive, Room
from xora_agent.slash import COMMANDS

logger = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds that the first connection may take
PAUSES = (5.0, 15.0, 60.0, 300.0)  # seconds before it begins anew
GOODBYE = 1.0  # seconds that Discord has to answer that the connection is closed

_MESSAGES = (library.MessageType.default, library.MessageType.reply)


class Discord:
    """Answers in the channels whose ids are allowed, and in their threads."""

    name = "discord"

    def __init__(self, access: Access) -> None:
        self._access = access
        self._line = Line(access)
        self._outage = Outage()
        self._client: _Client | None = None
        self._connector: aiohttp.TCPConnector | None = None
        self._running: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str:
        """Say why no message comes though it was connected."""
        return self._outage.trouble

    async def start(self, receive: Receive) -> None:
        """Log in, and return once Discord sends messages. Raises PlatformError."""
        await self._connect(receive)
        self._keeping = asyncio.create_task(self._keep(receive), name="keep Discord connected")

    async def stop(self) -> None:
        """Close the connection; where Discord does not answer, cut it."""
        keeping, self._keeping = self._keeping, None
        if keeping:
            await _end(keeping)
        await self._leave()

    async def _connect(self, receive: Receive) -> None:
        self._connector = connector = self._line.connector()
        self._client = client = _Client(self._access, self._line, receive, connector)
        client.outage = self._outage
        self._running = running = asyncio.create_task(
            client.start(self._access.token.value), name="run Discord"
        )
        connected = asyncio.create_task(client.connected.wait(), name="wait for Discord")
        try:
            await asyncio.wait(
                {running, connected}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            await _end(connected)
        if not client.connected.is_set():
            fault = _fault(running)
            await self._leave()
            raise fault

    async def _leave(self) -> None:
        self._line.live = None
        client, self._client = self._client, None
        running, self._running = self._running, None
        connector, self._connector = self._connector, None
        if running:
            # Who still reads from the connection would close it as if to come back.
            await _end(running)
        if client:
            await client.inflight.cancel()
            closing = asyncio.create_task(client.close(), name="close Discord")
            await asyncio.wait({closing}, timeout=GOODBYE)
            await _end(closing)
        if connector:
            await connector.close()

    async def _keep(self, receive: Receive) -> None:
        """Begin anew when the library gave up; seldom where Discord refuses what it was given.

        The library itself comes back after a connection broke; an event that it can't read ends it.
        """
        failures = 0
        fault: PlatformError | None = None
        while True:
            if self._running is not None:
                await asyncio.wait({self._running})
                fault = _fault(self._running)
                failures = 0
                await self._leave()
            else:
                refused = isinstance(fault, PlatformRefused)  # until somebody mends it
                await asyncio.sleep(PAUSES[-1 if refused else min(failures, len(PAUSES) - 1)])
                fault = await self._tried(receive)
                failures += 1
            if fault is not None:
                self._outage.begin(str(fault), lasts=isinstance(fault, PlatformRefused))
                logger.error("%s: %s; %s", fault, fault.why, fault.hint or "trying again")

    async def _tried(self, receive: Receive) -> PlatformError | None:
        try:
            await self._connect(receive)
        except PlatformError as fault:
            return fault
        return None


class _Client(library.Client):
    """What the library calls when something happens."""

    def __init__(
        self, access: Access, line: Line, receive: Receive, connector: aiohttp.TCPConnector
    ) -> None:
        intents = library.Intents(
            guilds=True, guild_messages=True, dm_messages=True, message_content=True
        )
        super().__init__(
            intents=intents,
            connector=connector,
            member_cache_flags=library.MemberCacheFlags.none(),
            max_messages=None,
            guild_ready_timeout=0,  # nothing here waits for all servers to be known
        )
        self.connected = asyncio.Event()
        self.inflight = Inflight()
        self.outage = Outage()
        self._access = access
        self._line = line
        self._receive = receive
        self._reached = connector
        self._tree = _commands(self)

    async def setup_hook(self) -> None:
        """Ask where the gateway is, where it is not Discord's own."""
        if isinstance(self._reached, Rerouted):
            _, url, _ = await self.http.get_bot_gateway()
            self._reached.gateway = URL(url)

    async def on_connect(self) -> None:
        """Say that messages come from now on. It may come again after a connection broke."""
        self.outage.end()
        if self.connected.is_set():
            logger.info("Discord: connected anew")
            return
        self._line.live = self
        self.connected.set()
        self._say_who()
        self.inflight.begin(self._register(), "register Discord's commands")

    async def on_disconnect(self) -> None:
        """Note that the connection broke; the library tries to come back."""
        self.outage.begin("Discord can't be reached")

    async def on_resumed(self) -> None:
        """Note that messages come again, with those that came meanwhile."""
        self.outage.end()

    async def on_message(self, message: library.Message) -> None:
        """Take what a person wrote in an allowed channel."""
        if message.author.bot or message.webhook_id or message.type not in _MESSAGES:
            return
        if not self._is_allowed(message.channel):
            return
        text = self._asked(message.content)
        if text:
            room = ChannelRoom(self._line, message.channel.id)
            self._begin(self._receive(room, message.author.display_name, text), room)

    async def on_command(self, interaction: library.Interaction[_Client]) -> None:
        """Take a slash command. Discord waits 3 seconds for a sign that it was heard."""
        channel, command = interaction.channel, interaction.command
        try:
            if channel is None or command is None or not self._is_allowed(channel):
                await interaction.response.send_message(
                    "I don't answer in this channel.", ephemeral=True
                )
                return
            await interaction.response.defer(thinking=True)
        except REQUEST_FAULTS as fault:
            logger.warning("Discord: a command could not be taken: %s", explain(fault).why)
            return
        room = CommandRoom(interaction, ChannelRoom(self._line, channel.id))
        text, author = f"/{command.name}", interaction.user.display_name
        self._begin(self._receive(room, author, text), room)

    def _begin(self, work: Awaitable[None], room: Room) -> None:
        self.inflight.begin(work, f"answer in {room.conversation}")

    def _is_allowed(self, channel: object) -> bool:
        ids = (getattr(channel, "id", None), getattr(channel, "parent_id", None))
        return any(str(found) in self._access.allowed for found in ids if found)

    def _asked(self, text: str) -> str:
        """Leave out a mention of the bot in front: in an allowed channel it needs none."""
        own_id = self.user.id if self.user else 0
        return re.sub(rf"\A\s*<@!?{own_id}>[\s,:]*", "", text).strip()

    def _say_who(self) -> None:
        logger.info("Discord: connected as %s", self.user)
        own_id = self._access.own_name
        if own_id and self.user and own_id != str(self.user.id):
            logger.warning(
                "Discord: the token is that of bot %s, not of %s as discord_botId says",
                self.user.id,
                own_id,
            )

    async def _register(self) -> None:
        """List the commands in Discord's menu. Written by hand they work all the same."""
        try:
            await self._tree.sync()
        except REQUEST_FAULTS as fault:
            explained = explain(fault)
            logger.warning("Discord: commands were not taken: %s: %s", explained, explained.why)


def _commands(client: _Client) -> app_commands.CommandTree[_Client]:
    tree = app_commands.CommandTree(client)

    async def heard(interaction: library.Interaction[_Client]) -> None:
        await client.on_command(interaction)

    for name, what in COMMANDS.items():
        tree.add_command(app_commands.Command(name=name, description=what, callback=heard))
    return tree


def _fault(running: asyncio.Task[None]) -> PlatformError:
    if running.done():
        return explain(None if running.cancelled() else running.exception())
    return PlatformError("Discord can't be reached", why=f"no answer within {PATIENCE:.0f} s")


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
