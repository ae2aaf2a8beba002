"""The connection to Telegram: long polling, as one bot.

Updates are asked for with `Bot.get_updates`; the library's own Updater would end for good when
Telegram refuses the token once, and asks Telegram once more before it stops.
"""

from __future__ import annotations

import asyncio
import logging

from telegram import Bot, BotCommand, Message, Update
from telegram.constants import UpdateType
from telegram.error import Conflict, InvalidToken, TelegramError

from xora_agent.errors import PlatformError
from xora_agent.inflight import Inflight
from xora_agent.outage import Outage
from xora_agent.platform import Access, Receive
from xora_agent.slash import COMMANDS
from xora_agent.telegram_platform.faults import CONFLICT_PAUSE, explain, pause
from xora_agent.telegram_platform.line import Line
from xora_agent.telegram_platform.messages import asked, author, is_from_person, thread
from xora_agent.telegram_platform.rooms import TelegramRoom, patiently

logger = logging.getLogger(__name__)

FAILED_PAUSE = 30.0
POLL = 25  # seconds that Telegram holds a request for messages while there are none


class Telegram:
    """Answers in the groups, and private chats, whose ids are allowed."""

    name = "telegram"

    def __init__(self, access: Access) -> None:
        self._access = access
        self._line = Line(access)
        self._outage = Outage()
        self._polling: asyncio.Task[None] | None = None
        self._offset: int | None = None
        self._inflight = Inflight()

    @property
    def trouble(self) -> str:
        """Say why no message comes though it was connected."""
        return self._outage.trouble

    async def start(self, receive: Receive) -> None:
        """Check the token, tell Telegram the commands, and begin to poll. Raises PlatformError."""
        try:
            bot = await self._line.open()
            # Telegram gives messages either to a webhook or to who polls, never to both.
            await bot.delete_webhook()
        except TelegramError as fault:
            await self.stop()
            raise explain(fault) from None
        except PlatformError:
            await self.stop()
            raise
        self._say_who(bot)
        self._inflight.begin(_register(bot), "register Telegram's commands")
        self._polling = asyncio.create_task(self._keep_polling(bot, receive), name="poll Telegram")

    async def stop(self) -> None:
        """Stop polling, and close. Telegram keeps what comes meanwhile for the next start."""
        polling, self._polling = self._polling, None
        if polling:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
        await self._inflight.cancel()
        await self._line.close()

    def _say_who(self, bot: Bot) -> None:
        logger.info("Telegram: connected as @%s", bot.username)
        own_name = self._access.own_name.lstrip("@")
        if own_name and own_name.lower() != bot.username.lower():
            logger.warning(
                "Telegram: the token is that of @%s, not of @%s as telegram_botUsername says",
                bot.username,
                own_name,
            )
        if not bot.can_read_all_group_messages:
            logger.warning(
                "Telegram: the bot sees only commands, mentions and replies in groups;"
                " turn its privacy mode off with @BotFather (/setprivacy), then add it anew"
            )

    async def _keep_polling(self, bot: Bot, receive: Receive) -> None:
        """Poll again after what nobody thought of, such as an update that can't be read."""
        while True:
            polling = asyncio.create_task(self._poll(bot, receive))
            try:
                await asyncio.wait({polling})
            finally:
                polling.cancel()
                await asyncio.gather(polling, return_exceptions=True)
            self._outage.begin("polling Telegram fails")
            logger.error("Telegram: polling failed; trying again", exc_info=polling.exception())
            await asyncio.sleep(FAILED_PAUSE)

    async def _poll(self, bot: Bot, receive: Receive) -> None:
        """Take messages for ever. Asking for those after the offset confirms those before it."""
        failures = 0
        while True:
            try:
                # After a failure at once: else nobody knows for so long whether it is over.
                updates = await bot.get_updates(
                    offset=self._offset,
                    timeout=0 if failures else POLL,
                    allowed_updates=[UpdateType.MESSAGE],
                )
            except TelegramError as fault:
                failures += 1
                self._outage.begin(_trouble(fault))
                await asyncio.sleep(_report(fault, failures))
                continue
            failures = 0
            self._outage.end()
            for update in updates:
                self._offset = update.update_id + 1
                self._take(bot, update, receive)

    def _take(self, bot: Bot, update: Update, receive: Receive) -> None:
        message = update.message
        if message is None or not self._is_allowed(message) or not is_from_person(message):
            return
        text = asked(message.text or message.caption or "", bot.username)
        if text:
            room = TelegramRoom(self._line, message.chat.id, thread(message))
            self._inflight.begin(receive(room, author(message), text), f"answer in {room.chat}")

    def _is_allowed(self, message: Message) -> bool:
        allowed = str(message.chat.id) in self._access.allowed
        if allowed and message.migrate_to_chat_id:
            logger.warning(
                "Telegram: group %s became supergroup %s: put the new id into telegram_groupIds",
                message.chat.id,
                message.migrate_to_chat_id,
            )
        return allowed


async def _register(bot: Bot) -> None:
    """List the commands in Telegram's menu. Written by hand they work all the same."""
    commands = [BotCommand(name, what) for name, what in COMMANDS.items()]
    try:
        await patiently(lambda: bot.set_my_commands(commands))
    except PlatformError as fault:
        logger.warning("Telegram: the list of commands was not taken: %s: %s", fault, fault.why)


def _trouble(fault: TelegramError) -> str:
    if isinstance(fault, Conflict):
        return "another program polls Telegram with the same token"
    return str(explain(fault))


def _report(fault: TelegramError, failures: int) -> float:
    """Log why there are no messages, and say how long to wait before the next try."""
    if isinstance(fault, Conflict):
        logger.error(
            "Telegram: another program polls with the same token, and only one gets the messages;"
            " stop the other, or give each a bot of its own. Trying again in %.0f s",
            CONFLICT_PAUSE,
        )
        return CONFLICT_PAUSE
    wait = pause(fault, failures)
    explained = explain(fault)
    level = logging.ERROR if isinstance(fault, InvalidToken) else logging.WARNING
    logger.log(level, "%s: %s; trying again in %.0f s", explained, explained.why, wait)
    return wait
