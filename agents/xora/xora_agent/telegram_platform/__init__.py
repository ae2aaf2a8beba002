"""Telegram, through python-telegram-bot."""

from xora_agent.telegram_platform.telegram import Telegram

__all__ = ["Telegram"]
