"""Discord, with the real client library against a local stand-in of its API and gateway."""

import asyncio
import time
from collections.abc import AsyncIterator

import discord as library
import pytest
from xora_agent import outage
from xora_agent.discord_platform import Discord, discord
from xora_agent.errors import PlatformError, PlatformRefused
from xora_agent.platform import Access
from xora_agent.secret import Secret

from tests.support.platforms.discord import BOT, CHANNEL, OTHER, THREAD, TOKEN, DiscordApi, person
from tests.support.platforms.heard import Heard
from tests.support.platforms.running import HANGS, Platforms, run
from tests.support.platforms.served import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.filterwarnings("error"),
]

ALLOWED = frozenset({str(CHANNEL), "55"})


Running = Platforms[DiscordApi, Discord]


@pytest.fixture
async def running(nothing_left: None) -> AsyncIterator[Running]:
    async with run(DiscordApi(), Discord, TOKEN, ALLOWED) as running:
        yield running


async def test_a_message_comes_in_and_the_answer_goes_out(running: Running) -> None:
    heard = Heard("You said: {text} @everyone <@1003>", seconds=0.1)
    await running.start(heard)
    await running.api.write("hello")
    await until(lambda: running.api.sent)
    assert heard.messages == [(f"discord:{CHANNEL}", "Ada", "hello")]
    (sent,) = running.api.sent
    assert (sent.channel, sent.text) == (CHANNEL, "You said: hello @everyone <@1003>")
    assert sent.body["allowed_mentions"]["parse"] == []
    assert running.api.asked("typing") == [("POST", f"/api/v10/channels/{CHANNEL}/typing")]


async def test_who_is_not_answered(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.write("elsewhere", channel=OTHER)
    await running.api.write("a channel that nobody knows", channel=12345)
    await running.api.write("a bot", author=person("Robot", bot=True))
    await running.api.write("the bot itself", author=person("Agent", id=str(BOT), bot=True))
    await running.api.write("a webhook", webhook_id="77")
    await running.api.write("a notice that somebody joined", type=7)
    await running.api.write("")
    await running.api.write("a reply", type=19)
    await running.api.write("in a thread", channel=THREAD)
    await running.api.write("in private", channel=55, guild_id=None)
    await heard.hears("a reply", "in a thread", "in private")
    assert [name for name, _, _ in heard.messages] == [
        f"discord:{CHANNEL}", f"discord:{THREAD}", "discord:55",
    ]  # fmt: skip


async def test_a_mention_in_front_is_left_out(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    for text in (f"<@{BOT}> hello", f"<@!{BOT}>, /reload", f"<@{BOT}>", "<@1003> hello", "/reset"):
        await running.api.write(text)
    await heard.hears("hello", "/reload", "<@1003> hello", "/reset")


async def test_slash_commands_are_listed(running: Running) -> None:
    await running.start(Heard())
    await until(lambda: running.api.commands)
    assert {command["name"] for command in running.api.commands} == {
        "reload", "reset", "status", "help",
    }  # fmt: skip


async def test_a_slash_command_is_acknowledged_at_once(running: Running) -> None:
    heard = Heard("Reloaded after {text}.", seconds=0.5)
    await running.start(heard)
    token = await running.api.command("reload")
    await until(lambda: running.api.sent)
    assert heard.messages == [(f"discord:{CHANNEL}", "Ada", "/reload")]
    assert running.api.deferred[token] < 0.5
    assert running.api.sent[0].command == token
    assert running.api.sent[0].text == "Reloaded after /reload."
    await heard.rooms[0].say("And later.")
    assert (running.api.sent[1].command, running.api.sent[1].text) == ("", "And later.")


async def test_a_slash_command_elsewhere_is_declined(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.command("status", channel=OTHER)
    await running.api.command("status", channel=THREAD)
    await heard.hears("/status")
    assert running.api.hidden == ["I don't answer in this channel."]


async def test_a_command_that_discord_forgot_is_answered_all_the_same(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.command("help")
    await until(lambda: heard.rooms)
    running.api.faults.plan("@original", 404)
    await heard.rooms[0].say("the answer")
    assert [(sent.command, sent.text) for sent in running.api.sent] == [("", "the answer")]


async def test_commands_that_are_refused_stop_nothing(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    running.api.faults.plan("commands", 403)
    heard = Heard()
    await running.start(heard)
    await until(lambda: "commands were not taken" in logged.text)
    await running.api.write("hello")
    await heard.hears("hello")


async def test_a_long_answer_goes_out_in_order(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.write("tell me")
    await until(lambda: heard.rooms)
    lines = "\n".join(f"print({number})" for number in range(900))
    await heard.rooms[0].say(f"Here:\n```python\n{lines}\n```")
    said = [line for sent in running.api.sent for line in sent.text.split("\n")]
    assert [line for line in said if line.startswith("print")] == lines.split("\n")
    assert len(running.api.sent) > 3
    assert all(sent.text.count("```") == 2 for sent in running.api.sent)


async def test_429_is_waited_for(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.write("hello")
    await until(lambda: heard.rooms)
    running.api.faults.plan("messages", 429)
    running.api.faults.retry_after = 0.5
    began = time.monotonic()
    await heard.rooms[0].say("an answer")
    assert time.monotonic() - began >= 0.5
    assert len(running.api.sent) == 1


async def test_a_channel_that_may_not_be_written_to(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.write("hello")
    await until(lambda: heard.rooms)
    running.api.faults.plan("messages", 403)
    with pytest.raises(PlatformError, match="does not let the bot write") as fault:
        await heard.rooms[0].say("an answer")
    assert "Send Messages" in fault.value.hint


@pytest.mark.parametrize("code", [4000, 4009, 1001])
async def test_it_comes_back_when_the_gateway_closes(running: Running, code: int) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.drop(code)
    await running.api.write("while it was away")
    await heard.hears("while it was away")
    assert running.api.ops(6)[0]["token"] == TOKEN


async def test_it_comes_back_when_the_gateway_asks_for_it(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.ask_to_reconnect()
    await until(lambda: running.api.ops(6))
    await running.api.write("hello")
    await heard.hears("hello")


async def test_a_session_that_is_gone_begins_anew(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object, **__: object) -> None:
        """The library waits for 5 seconds here."""

    monkeypatch.setattr(library.Client, "before_identify_hook", at_once)
    heard = Heard()
    await running.start(heard)
    old = dict(running.api.sessions)
    running.api.sessions.clear()
    for session in old.values():
        assert session.socket is not None
        await session.socket.close(code=4000)
    await until(lambda: len(running.api.ops(2)) == 2 and running.api.sessions)
    await running.api.write("hello")
    await heard.hears("hello")
    assert len(running.api.asked("commands")) == 1


async def test_heartbeats_go_on(running: Running) -> None:
    running.api.heartbeat = 0.1
    await running.start(Heard())
    await until(lambda: len(running.api.ops(1)) > 3)


async def test_a_wrong_token_says_what_to_do(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PlatformRefused, match="refuses the token") as fault:
        await running.start(Heard(), token="wrong.token.for-Discord")
    assert "Reset Token" in fault.value.hint
    assert "wrong.token" not in f"{fault.value} {fault.value.why} {logged.text}"


async def test_a_missing_intent_says_which_switch(running: Running) -> None:
    running.api.reads_content = False
    with pytest.raises(PlatformRefused, match="read messages") as fault:
        await running.start(Heard())
    assert "Message Content Intent" in fault.value.hint


async def test_a_token_that_is_reset_later_is_said(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    await running.start(Heard())
    running.api.tokens.clear()
    await running.api.drop(4000)
    await until(lambda: "Discord refuses the token" in logged.text)


async def test_what_is_refused_later_is_told_of_until_it_is_mended(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord, "PAUSES", (0.0, 0.1))
    heard = Heard()
    platform = await running.start(heard)
    assert platform.trouble == ""
    before = set(running.api.tokens)
    running.api.tokens.clear()
    await running.api.drop(4000)
    await until(lambda: platform.trouble == "Discord refuses the token")
    running.api.tokens |= before
    await until(lambda: not platform.trouble)
    await running.api.write("hello")
    await heard.hears("hello")


async def test_a_break_that_the_library_mends_is_not_told_of_and_a_long_one_is(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = await running.start(Heard())
    await running.api.drop(4000)
    assert platform.trouble == ""
    await until(lambda: running.api.ops(6))
    monkeypatch.setattr(outage, "PATIENCE", 0.0)
    await until(lambda: not platform.trouble)
    running.api.faults.plan("", *[503] * 100)
    await running.api.drop(4000)
    await until(lambda: platform.trouble == "Discord can't be reached")


async def test_no_server_there() -> None:
    platform = Discord(Access(Secret(TOKEN), ALLOWED, api_url="http://127.0.0.1:9/api/v10"))
    with pytest.raises(PlatformError, match="can't be reached") as fault:
        await platform.start(Heard())
    assert not isinstance(fault.value, PlatformRefused)
    assert "127.0.0.1" in fault.value.why


async def test_a_gateway_that_refuses_at_first(running: Running) -> None:
    running.api.faults.plan("", 503)
    with pytest.raises(PlatformError, match="can't be reached") as fault:
        await running.start(Heard())
    assert "503" in fault.value.why


async def test_a_server_that_never_answers(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord, "PATIENCE", 0.2)
    running.api.faults.plan("@me", None)
    with pytest.raises(PlatformError, match="can't be reached") as fault:
        await running.start(Heard())
    assert "no answer" in fault.value.why


async def test_stop_is_quick_even_when_discord_hangs(running: Running) -> None:
    running.api.answers_close = False
    running.api.faults.plan("messages", None)
    platform = await running.start(Heard("never arrives"))
    await running.api.write("hello")
    await until(lambda: running.api.asked("messages"))
    async with asyncio.timeout(HANGS):
        await platform.stop()
        await platform.stop()


async def test_stop_says_goodbye(running: Running) -> None:
    platform = await running.start(Heard())
    await platform.stop()
    (session,) = running.api.sessions.values()
    await until(lambda: session.socket is not None and session.socket.close_code == 1000)


async def test_another_token_after_a_reload(running: Running) -> None:
    running.api.tokens.add("another.token.for-Discord")
    first, second = Heard(), Heard()
    old = await running.start(first)
    await running.api.write("one")
    await first.hears("one")
    await old.stop()
    running.api.sessions.clear()
    await running.start(second, token="another.token.for-Discord")
    await running.api.write("two")
    await second.hears("two")
    assert first.texts == ["one"]


async def test_an_answer_that_comes_after_a_reload_arrives_all_the_same(running: Running) -> None:
    heard = Heard()
    platform = await running.start(heard)
    await running.api.write("hello")
    await running.api.command("help")
    await until(lambda: len(heard.rooms) == 2)
    await platform.stop()
    for room in heard.rooms:
        async with room.typing():
            await room.say("late")
    assert [(sent.channel, sent.text) for sent in running.api.sent] == [(CHANNEL, "late")] * 2
    running.api.tokens.clear()
    with pytest.raises(PlatformRefused):
        await heard.rooms[0].say("too late")


async def test_a_bot_that_is_another_is_said(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    await running.start(Heard(), own_name="901")
    assert "not of 901" in logged.text


async def test_the_token_is_in_no_log(running: Running, logged: pytest.LogCaptureFixture) -> None:
    heard = Heard("answer", seconds=0.1)
    platform = await running.start(heard)
    await running.api.drop(4000)
    await running.api.write("hello")
    await running.api.command("help")
    await until(lambda: len(running.api.sent) == 2)
    await platform.stop()
    assert len(logged.records) > 20
    assert TOKEN not in logged.text


async def test_the_library_s_own_addresses_stay(running: Running) -> None:
    await running.start(Heard())
    assert library.http.Route.BASE == "https://discord.com/api/v10"
    assert "gateway.discord.gg" in str(library.gateway.DiscordWebSocket.DEFAULT_GATEWAY)


async def test_messages_keep_their_order_under_load(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    for number in range(200):
        await running.api.write(str(number), channel=(CHANNEL, THREAD)[number % 2])
    await until(lambda: len(heard.texts) == 200)
    assert heard.texts == [str(number) for number in range(200)]
    await asyncio.gather(*(room.say("done") for room in heard.rooms))
    assert len(running.api.sent) == 200


async def test_a_start_that_is_given_up_leaves_nothing(running: Running) -> None:
    running.api.faults.plan("@me", None)
    starting = asyncio.create_task(running.start(Heard()))
    await until(lambda: running.api.asked("@me"))
    starting.cancel()
    await asyncio.wait({starting})
    await running.started[0].stop()


async def test_an_event_that_the_library_can_t_read_does_not_end_it(
    running: Running, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord, "PAUSES", (0.0, 0.1))
    heard = Heard()
    await running.start(heard)
    running.api.faults.plan("@me", 503)
    await running.api.dispatch("MESSAGE_CREATE", {"id": "of something new"})
    running.api.sessions.clear()
    await until(lambda: len(running.api.ops(2)) == 2 and running.api.sessions)
    await running.api.write("hello")
    await heard.hears("hello")
    assert logged.text.count("trying again") == 2


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ü", "\u2026"])
async def test_what_is_no_token_is_refused(running: Running, token: str) -> None:
    with pytest.raises(PlatformError) as fault:
        await running.start(Heard(), token=token)
    assert not token or token not in f"{fault.value} {fault.value.why}"
