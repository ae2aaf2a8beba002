"""A real agent on Discord and Telegram, with their real client libraries, told by a controller."""

import time

from tests.e2e.xora.conftest import Managed
from tests.support.platforms.apart import apart
from tests.support.platforms.discord import CHANNEL, OTHER
from tests.support.platforms.discord import TOKEN as DISCORD
from tests.support.platforms.telegram import TOKEN as TELEGRAM
from tests.support.xora.process import Agent, running

NEW_TELEGRAM = "222:another_token-for-Telegram"


def _settings(telegram: str) -> dict[str, object]:
    return {
        "discord": {"token": DISCORD, "channelIds": [str(CHANNEL)]},
        "telegram": {"token": telegram, "groupIds": ["-1001"]},
    }


def _states(agent: Agent) -> list[str]:
    return [each["state"] for each in agent.health()[1].get("platforms", {}).values()]


def test_it_talks_on_both_and_takes_another_token(managed: Managed) -> None:
    with apart() as there:
        managed.make(settings=_settings(TELEGRAM))
        with running(managed.home, REAL_PLATFORMS="1", **there.env) as agent:
            agent.until(lambda: _states(agent) == ["connected"] * 2, "both are connected", 60)

            there.do(there.discord.write("elsewhere", channel=OTHER))
            there.do(there.discord.write("hello"))
            agent.until(lambda: there.discord.sent, "an answer on Discord", 60)
            assert there.discord.sent[0].text == "you said: hello"

            there.do(there.telegram.write("x" * 4095))
            agent.until(lambda: len(there.telegram.sent) == 2, "a long answer on Telegram", 60)
            assert "".join(sent.text for sent in there.telegram.sent).endswith("x" * 4095)

            there.telegram.tokens = {NEW_TELEGRAM}
            managed.change(settings=_settings(NEW_TELEGRAM))
            command = there.do(there.discord.command("reload"))
            agent.until(
                lambda: [sent for sent in there.discord.sent if sent.command == command],
                "the reload is confirmed on Discord",
                60,
            )
            there.do(there.telegram.write("and now"))
            agent.until(
                lambda: there.telegram.sent[-1].text == "you said: and now",
                "an answer by the new token",
                60,
            )

            began = time.monotonic()
            assert agent.end() == 0
            assert time.monotonic() - began < 20
            asked = [call["text"] for call in agent.calls("answer")]
            assert asked == ["hello", "x" * 4095, "and now"]
            for token in (DISCORD, TELEGRAM, NEW_TELEGRAM):
                assert token not in agent.log
