"""A stand-in for Telegram's Bot API, as far as a bot that chats needs it.

https://core.telegram.org/bots/api. Methods that it does not know answer 404, as Telegram does.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from tests.support.platforms.served import Faults, Json, served

TOKEN = "123456789:AAF-stand-in_for_Telegram-0123456789"


@dataclass(frozen=True)
class Sent:
    """A message of the bot's."""

    chat: int
    text: str
    thread: int | None
    at: float


class TelegramApi:
    """One bot, and the chats that it is in."""

    username = "the_bot"
    reads_all = True

    def __init__(self, token: str = TOKEN) -> None:
        self.tokens = {token}
        self.faults = Faults()
        self.calls: list[tuple[str, Json]] = []
        self.sent: list[Sent] = []
        self.commands: list[Json] = []
        self.groups = {-1001, -1002}
        self.polls = 0
        self._updates: list[Json] = []
        self._last = 100
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[str]:
        """Serve it; give what goes into Access.api_url."""
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._answer)
        async with served(app) as address:
            yield address

    def asked(self, method: str) -> list[Json]:
        return [parameters for name, parameters in self.calls if name == method]

    async def write(self, text: str, chat: int = -1001, **more: object) -> None:
        """Let a person write; `more` goes into the message, "from" as `sender`."""
        sender = more.pop("sender", None) or person("Ada")
        message = {"from": sender, "text": text, "chat": _chat(chat), **more}
        await self.update(message=message)

    async def update(self, **content: Json) -> None:
        self._last += 1
        for message in content.values():
            message |= {"message_id": self._last, "date": int(time.time())}
        async with self._news:
            self._updates.append({"update_id": self._last, **content})
            self._news.notify_all()

    async def _answer(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        parameters = {key: _value(str(value)) for key, value in (await request.post()).items()}
        self.calls.append((method, parameters))
        if request.match_info["token"] not in self.tokens:
            return _refuse(401, "Unauthorized")
        status = await self.faults.next(method)
        if status == 429:
            wait = self.faults.retry_after
            return _refuse(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        if status is not None:
            return _refuse(status, f"fault {status}")
        name = re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", method)
        handler = getattr(self, f"_{name}", None)
        answer: web.Response = await handler(parameters) if handler else _refuse(404, "Not Found")
        # A token may be revoked while it polls.
        known = request.match_info["token"] in self.tokens
        return answer if known else _refuse(401, "Unauthorized")

    async def _get_me(self, _: Json) -> web.Response:
        return _give(
            {
                "id": 7, "is_bot": True, "first_name": "Bot", "username": self.username,
                "can_read_all_group_messages": self.reads_all,
            }
        )  # fmt: skip

    async def _delete_webhook(self, _: Json) -> web.Response:
        return _give(True)

    async def _set_my_commands(self, parameters: Json) -> web.Response:
        self.commands = parameters["commands"]
        return _give(True)

    async def _send_chat_action(self, _: Json) -> web.Response:
        return _give(True)

    async def _send_message(self, parameters: Json) -> web.Response:
        chat, text = int(parameters["chat_id"]), str(parameters["text"])
        if chat not in self.groups:
            return _refuse(400, "Bad Request: chat not found")
        if not text.strip():
            return _refuse(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return _refuse(400, "Bad Request: message is too long")
        thread = parameters.get("message_thread_id")
        self.sent.append(Sent(chat, text, thread, time.monotonic()))
        self._last += 1
        return _give({"message_id": self._last, "date": 0, "chat": _chat(chat), "text": text})

    async def _get_updates(self, parameters: Json) -> web.Response:
        self.polls += 1
        own, offset = self.polls, int(parameters.get("offset", 0))
        async with self._news:
            self._news.notify_all()
            self._updates = [one for one in self._updates if one["update_id"] >= offset]
            news = self._news.wait_for(lambda: self._updates or self.polls != own)
            try:
                await asyncio.wait_for(news, float(parameters.get("timeout", 0)))
            except TimeoutError:
                return _give([])
            if self.polls != own:
                return _refuse(409, "Conflict: terminated by other getUpdates request")
            return _give(self._updates[:100])


def person(name: str, **more: object) -> Json:
    return {"id": 1000 + len(name), "is_bot": False, "first_name": name, **more}


def _chat(number: int) -> Json:
    if number > 0:
        return {"id": number, "type": "private", "first_name": "Ada"}
    return {"id": number, "type": "supergroup", "title": "The group"}


def _value(text: str) -> object:
    """The library writes JSON for what is no text, and texts as they are."""
    if text[:1] not in "[{" and not text.lstrip("-").isdigit():
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _give(result: object) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _refuse(status: int, description: str, **parameters: object) -> web.Response:
    body: Json = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return web.json_response(body, status=status)
