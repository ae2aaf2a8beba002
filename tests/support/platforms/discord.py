"""A stand-in for Discord's REST API and its gateway, as far as a bot that chats needs them.

https://discord.com/developers/docs/topics/gateway and .../interactions/receiving-and-responding.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler

from tests.support.platforms.served import Faults, Json, served

TOKEN = "MTIzNDU2Nzg5.stand-in.for_Discord-0123456789"
BOT, GUILD, CHANNEL, OTHER, THREAD = 900, 800, 700, 701, 702
MESSAGE_CONTENT = 1 << 15


@dataclass(frozen=True)
class Sent:
    """A message of the bot's; `command` is the token of the command that it answers."""

    channel: int
    text: str
    body: Json
    command: str = ""


@dataclass
class Session:
    """What a bot that connected may come back to."""

    name: str
    events: list[Json] = field(default_factory=list)
    socket: web.WebSocketResponse | None = None

    async def send(self, kind: str, data: Json) -> None:
        event = {"op": 0, "t": kind, "s": len(self.events) + 1, "d": data}
        self.events.append(event)
        await self._write(event)

    async def replay(self, seen: int) -> None:
        for event in self.events[seen:]:
            await self._write(event)
        await self.send("RESUMED", {})

    async def _write(self, event: Json) -> None:
        if self.socket is not None and not self.socket.closed:
            with suppress(ConnectionError):
                await self.socket.send_str(json.dumps(event))


class DiscordApi:
    """One bot on one server, with two channels and a thread in the first."""

    def __init__(self, token: str = TOKEN) -> None:
        self.tokens = {token}
        self.reads_content = True
        self.faults = Faults()
        self.calls: list[tuple[str, str]] = []
        self.gateway: list[Json] = []
        self.sent: list[Sent] = []
        self.hidden: list[str] = []
        self.commands: list[Json] = []
        self.deferred: dict[str, float] = {}
        self.sessions: dict[str, Session] = {}
        self.answers_close = True
        self.heartbeat = 41.25
        self._address = ""
        # Ids tell the time: milliseconds since 2015, then a number.
        self._last = (int(time.time() * 1000) - 1_420_070_400_000) << 22

    @asynccontextmanager
    async def run(self) -> AsyncIterator[str]:
        """Serve it; give what goes into Access.api_url."""
        app = web.Application(middlewares=[self._typed])
        app.add_routes(
            [
                web.get("/gateway/", self._connect),
                web.get("/api/v10/users/@me", self._me),
                web.get("/api/v10/oauth2/applications/@me", self._application),
                web.get("/api/v10/gateway/bot", self._gateway),
                web.put("/api/v10/applications/{app}/commands", self._commands),
                web.post("/api/v10/channels/{channel}/messages", self._message),
                web.post("/api/v10/channels/{channel}/typing", self._typing),
                web.post("/api/v10/interactions/{id}/{token}/callback", self._callback),
                web.patch("/api/v10/webhooks/{app}/{token}/messages/@original", self._edit),
            ]
        )
        async with served(app) as self._address:
            yield f"{self._address}/api/v10"

    def asked(self, kind: str) -> list[tuple[str, str]]:
        return [call for call in self.calls if kind in call[1]]

    def ops(self, op: int) -> list[Json]:
        return [frame["d"] for frame in self.gateway if frame["op"] == op]

    async def write(self, text: str, channel: int = CHANNEL, **more: object) -> None:
        """Let a person write; `more` goes into the message, save what is None."""
        message = _message(self._next(), channel, text, person("Ada")) | {"guild_id": str(GUILD)}
        message = {key: value for key, value in (message | more).items() if value is not None}
        message["edited_timestamp"] = None
        await self.dispatch("MESSAGE_CREATE", message)

    async def command(self, name: str, channel: int = CHANNEL) -> str:
        """Let a person give a slash command; give the token that answers it."""
        number = self._next()
        token = f"interaction-{number}"
        data = {
            "id": str(number), "application_id": str(BOT), "type": 2, "token": token, "version": 1,
            "data": {"id": "1", "name": name, "type": 1}, "guild_id": str(GUILD),
            "channel": _channel(channel), "channel_id": str(channel), "app_permissions": "0",
            "member": {"user": person("Ada"), "roles": [], "joined_at": "2026-01-01T00:00:00+00:00",
                       "deaf": False, "mute": False, "permissions": "0", "flags": 0},
            "entitlements": [], "authorizing_integration_owners": {}, "context": 0,
            "attachment_size_limit": 1000, "locale": "en-US",
        }  # fmt: skip
        self.deferred[token] = -time.monotonic()
        await self.dispatch("INTERACTION_CREATE", data)
        return token

    async def dispatch(self, kind: str, data: Json) -> None:
        for session in list(self.sessions.values()):
            await session.send(kind, data)

    async def drop(self, code: int) -> None:
        """Close every connection."""
        for session in list(self.sessions.values()):
            if session.socket is not None:
                await session.socket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        for session in list(self.sessions.values()):
            if session.socket is not None:
                await session.socket.send_json({"op": 7, "d": None})

    def _next(self) -> int:
        self._last += 1
        return self._last

    @web.middleware
    async def _typed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Say what it is just as Discord does: the library compares it as a text."""
        answer = await self._guard(request, handler)
        if answer.content_type == "application/json":
            answer.headers["Content-Type"] = "application/json"
        return answer

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls.append((request.method, request.path))
        # Commands are answered by their own token; the gateway asks for the bot's in a frame.
        needs_token = not request.path.startswith(("/gateway/", "/api/v10/inter", "/api/v10/webh"))
        authorization = request.headers.get("Authorization", "")
        if needs_token and authorization.removeprefix("Bot ") not in self.tokens:
            return _refuse(401, 0, "401: Unauthorized")
        status = await self.faults.next(request.path.rsplit("/", 1)[-1])
        if status == 429:
            body = {"message": "slow down", "retry_after": self.faults.retry_after, "global": False}
            return web.json_response(body, status=429, headers={"Via": "1.1 google"})
        if status is not None:
            return _refuse(status, 50013 if status == 403 else 0, f"fault {status}")
        return await handler(request)

    async def _me(self, _: web.Request) -> web.Response:
        return web.json_response(_bot())

    async def _application(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "id": str(BOT), "name": "the agent", "description": "", "icon": None,
                "bot_public": False, "bot_require_code_grant": False, "owner": person("Ada"),
                "verify_key": "", "flags": 0,
            }
        )  # fmt: skip

    async def _gateway(self, _: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 1, "max_concurrency": 1}
        url = f"{self._address}/gateway/".replace("http", "ws")
        return web.json_response({"url": url, "shards": 1, "session_start_limit": limit})

    async def _commands(self, request: web.Request) -> web.Response:
        self.commands = await request.json()
        given = [
            one | {"id": str(at), "application_id": str(BOT), "version": "1"}
            for at, one in enumerate(self.commands, start=1)
        ]
        return web.json_response(given)

    async def _message(self, request: web.Request) -> web.Response:
        channel = int(request.match_info["channel"])
        body = await request.json()
        return self._take(Sent(channel, body.get("content") or "", body))

    async def _typing(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _callback(self, request: web.Request) -> web.Response:
        token, body = request.match_info["token"], await request.json()
        self.deferred[token] += time.monotonic()
        if body["type"] == 4:
            assert body["data"]["flags"] == 64
            self.hidden.append(body["data"]["content"])
        interaction = {"id": request.match_info["id"], "type": 2}
        return web.json_response({"interaction": interaction})

    async def _edit(self, request: web.Request) -> web.Response:
        token, body = request.match_info["token"], await request.json()
        return self._take(Sent(CHANNEL, body.get("content") or "", body, token))

    def _take(self, sent: Sent) -> web.Response:
        if not sent.text.strip():
            return _refuse(400, 50006, "Cannot send an empty message")
        if len(sent.text) > 2000:
            return _refuse(400, 50035, "Must be 2000 or fewer in length.")
        self.sent.append(sent)
        return web.json_response(_message(self._next(), sent.channel, sent.text, _bot()))

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoclose=self.answers_close)
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": self.heartbeat * 1000}})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                frame = json.loads(message.data)
                self.gateway.append(frame)
                await self._hear(socket, frame)
        if not self.answers_close:
            await asyncio.sleep(3600)
        return socket

    async def _hear(self, socket: web.WebSocketResponse, frame: Json) -> None:
        op, data = frame["op"], frame["d"]
        if op == 1:
            await socket.send_json({"op": 11})
        elif op in (2, 6) and data["token"] not in self.tokens:
            await socket.close(code=4004)
        elif op == 2 and data["intents"] & MESSAGE_CONTENT and not self.reads_content:
            await socket.close(code=4014)
        elif op == 2:
            await self._begin(socket)
        elif op == 6 and data["session_id"] in self.sessions:
            session = self.sessions[data["session_id"]]
            session.socket = socket
            await session.replay(data["seq"])
        elif op == 6:
            await socket.send_json({"op": 9, "d": False})

    async def _begin(self, socket: web.WebSocketResponse) -> None:
        session = Session(f"session-{self._next()}", socket=socket)
        self.sessions[session.name] = session
        await session.send(
            "READY",
            {
                "v": 10, "user": _bot(), "guilds": [{"id": str(GUILD), "unavailable": True}],
                "session_id": session.name, "application": {"id": str(BOT), "flags": 0},
                "resume_gateway_url": f"{self._address}/gateway/".replace("http", "ws"),
            },
        )  # fmt: skip
        await session.send("GUILD_CREATE", _guild())


def person(name: str, **more: object) -> Json:
    user = {"id": str(1000 + len(name)), "username": name.lower(), "global_name": name}
    return user | {"discriminator": "0", "avatar": None, "bot": False, **more}


def _bot() -> Json:
    return person("Agent", id=str(BOT), bot=True)


def _channel(number: int) -> Json:
    channel: Json = {
        "id": str(number), "type": 0, "name": f"channel-{number}", "position": 0,
        "permission_overwrites": [], "parent_id": None, "guild_id": str(GUILD),
    }  # fmt: skip
    if number != THREAD:
        return channel
    archived = {"archived": False, "auto_archive_duration": 60, "locked": False,
                "archive_timestamp": "2026-01-01T00:00:00+00:00"}  # fmt: skip
    return channel | {
        "type": 11, "parent_id": str(CHANNEL), "owner_id": "1003", "thread_metadata": archived,
        "message_count": 1, "member_count": 1,
    }  # fmt: skip


def _guild() -> Json:
    return {
        "id": str(GUILD), "name": "The server", "member_count": 2, "unavailable": False,
        "channels": [_channel(CHANNEL), _channel(OTHER)], "threads": [_channel(THREAD)],
        "roles": [], "emojis": [], "stickers": [], "members": [], "voice_states": [],
        "presences": [], "features": [], "stage_instances": [], "guild_scheduled_events": [],
        "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0,
        "mfa_level": 0, "nsfw_level": 0, "premium_tier": 0, "preferred_locale": "en-US",
        "owner_id": "1003", "afk_timeout": 60, "system_channel_flags": 0, "icon": None,
        "premium_progress_bar_enabled": False, "soundboard_sounds": [],
    }  # fmt: skip


def _message(number: int, channel: int, text: str, author: Json) -> Json:
    return {
        "id": str(number), "channel_id": str(channel), "author": author, "content": text,
        "timestamp": "2026-01-01T00:00:00+00:00", "edited_timestamp": None, "tts": False,
        "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [],
        "embeds": [], "pinned": False, "type": 0, "flags": 0, "components": [],
    }  # fmt: skip


def _refuse(status: int, code: int, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status)
