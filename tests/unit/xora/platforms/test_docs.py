"""docs/xora-chat-platforms.md says what the code does."""

import re
from pathlib import Path

import aiohttp
import discord
import pytest
from telegram.error import InvalidToken
from xora_agent.discord_platform import faults as discord_faults
from xora_agent.discord_platform import rooms as discord_rooms
from xora_agent.slash import COMMANDS
from xora_agent.telegram_platform import faults as telegram_faults
from xora_agent.telegram_platform import rooms as telegram_rooms

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "docs" / "xora-chat-platforms.md").read_text()
SOURCE = "".join(
    path.read_text() for path in (ROOT / "agents" / "xora" / "xora_agent").glob("*_platform/*.py")
)


def test_every_command_is_named() -> None:
    assert set(re.findall(r"`/(\w+)`", TEXT)) - {"newbot", "setprivacy", "mybots"} == set(COMMANDS)


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{discord_rooms.LIMIT:,} characters on Discord" in TEXT
    assert f"{telegram_rooms.LIMIT:,} on Telegram" in TEXT


@pytest.mark.parametrize(
    "said",
    [
        discord_faults.explain(discord.LoginFailure()).message,
        discord_faults.explain(discord.PrivilegedIntentsRequired(None)).why,
        discord_faults.explain(aiohttp.ClientError()).message.partition(" ")[2],
        telegram_faults.explain(InvalidToken()).message,
    ],
)
def test_what_faults_say_can_be_found(said: str) -> None:
    assert said.removeprefix("its ") in TEXT


@pytest.mark.parametrize(
    "said",
    [
        "does not let the bot write there",
        "another program polls with the same token",
        "the bot sees only commands, mentions",
        "became supergroup",
        "s of silence",
    ],
)
def test_what_can_be_found_is_said(said: str) -> None:
    assert said in TEXT
    assert said in SOURCE
