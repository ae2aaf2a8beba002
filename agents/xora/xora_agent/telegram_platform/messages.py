"""Reads Telegram's messages: whose they are, where they belong, and what they ask."""

from __future__ import annotations

import re

from telegram import Message

_COMMAND = re.compile(r"(/\w+)@(\w+)(?=\s|$)")
_MENTION = re.compile(r"@(\w+)[\s,:]*")


def is_from_person(message: Message) -> bool:
    """Leave out bots, channels, and what Telegram itself copies from a linked channel.

    An administrator who writes anonymously comes as a bot, with the group itself as the sender.
    """
    if message.is_automatic_forward or message.from_user is None:
        return False
    if message.sender_chat is not None:
        return message.sender_chat.id == message.chat.id
    return not message.from_user.is_bot


def author(message: Message) -> str:
    """Name who wrote."""
    if message.sender_chat is not None:
        return message.sender_chat.title or "an administrator"
    return message.from_user.full_name if message.from_user else ""


def thread(message: Message) -> int | None:
    """Give the topic of a forum. Elsewhere answers carry a thread too, which says nothing."""
    return message.message_thread_id if message.is_topic_message else None


def asked(text: str, username: str) -> str | None:
    """Give what is asked, without the bot's own name; None where another bot is meant.

    In groups, commands come as "/reload@the_bot" when they are chosen from the list.
    """
    text = text.strip()
    command = _COMMAND.match(text)
    if command:
        if command[2].lower() != username.lower():
            return None
        return command[1] + text[command.end() :]
    mention = _MENTION.match(text)
    if mention and mention[1].lower() == username.lower():
        return text[mention.end() :]
    return text
