"""What Telegram's refusals mean, and what to do about each."""

from __future__ import annotations

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from xora_agent.errors import PlatformError, PlatformRefused

# How often it asks for messages again after so many failures in a row, in seconds.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# Another agent that polls with the same token is cut off each time that this one polls.
CONFLICT_PAUSE = 10.0


def pause(fault: TelegramError, failures: int) -> float:
    """Say how many seconds to wait after the `failures`-th fault in a row, from 1."""
    if isinstance(fault, RetryAfter):
        return seconds(fault)
    return _PAUSES[min(failures, len(_PAUSES)) - 1]


def seconds(fault: RetryAfter) -> float:
    """Say how long Telegram wants to be left alone."""
    wait = fault.retry_after
    return float(wait) if isinstance(wait, int) else wait.total_seconds()


def may_try_again(fault: TelegramError) -> bool:
    """Say whether a message that failed so surely did not arrive, and may in a moment."""
    return isinstance(fault, NetworkError) and not isinstance(fault, BadRequest | TimedOut)


def explain(fault: TelegramError) -> PlatformError:
    """Give the fault in the agent's own words; the token, which some name, is in none of them."""
    if isinstance(fault, InvalidToken):
        return refused()
    if isinstance(fault, Forbidden):
        return PlatformError(
            "Telegram does not let the bot write there",
            why=fault.message,
            hint="add the bot to the group, and let it send messages",
        )
    if isinstance(fault, ChatMigrated):
        return PlatformError(
            "the Telegram group became a supergroup",
            why=f"its id is {fault.new_chat_id} now",
            hint="put the new id into telegram_groupIds (TELEGRAM_GROUP_ID)",
        )
    if isinstance(fault, BadRequest):
        return PlatformError("Telegram refuses the request", why=fault.message)
    return PlatformError("Telegram can't be reached", why=fault.message)


def refused() -> PlatformRefused:
    """Say that the token is wrong."""
    return PlatformRefused(
        "Telegram refuses the token",
        why="it is wrong, or BotFather has revoked it",
        hint="take the token from @BotFather (/mybots, API Token) into telegram_token"
        " (TELEGRAM_BOT_TOKEN)",
    )
