"""Telegram, with the real client library against a local stand-in of its Bot API."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from xora_agent import outage
from xora_agent.errors import PlatformError, PlatformRefused
from xora_agent.platform import Access
from xora_agent.secret import Secret
from xora_agent.telegram_platform import Telegram, telegram

from tests.support.platforms.heard import Heard
from tests.support.platforms.running import HANGS, Platforms, run
from tests.support.platforms.served import until
from tests.support.platforms.telegram import TOKEN, TelegramApi, person

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.filterwarnings("error"),
    # What `retry_after` will be one day; both are taken.
    pytest.mark.filterwarnings("ignore:.*retry_after:telegram.warnings.PTBDeprecationWarning"),
]

ALLOWED = frozenset({"-1001", "55"})


Running = Platforms[TelegramApi, Telegram]


@pytest.fixture
async def running(nothing_left: None) -> AsyncIterator[Running]:
    async with run(TelegramApi(), Telegram, TOKEN, ALLOWED) as running:
        yield running


async def test_a_message_comes_in_and_the_answer_goes_out(running: Running) -> None:
    heard = Heard("You said: {text}", seconds=0.1)
    await running.start(heard)
    await running.api.write("hello")
    await until(lambda: running.api.sent)
    assert heard.messages == [("telegram:-1001", "Ada", "hello")]
    (sent,) = running.api.sent
    assert (sent.chat, sent.text, sent.thread) == (-1001, "You said: hello", None)
    assert running.api.asked("sendChatAction") == [{"chat_id": -1001, "action": "typing"}]


async def test_an_answer_is_plain_text(running: Running) -> None:
    await running.start(Heard("*a* <b> [c](d) _e_ `f` {text}"))
    await running.api.write("x")
    await until(lambda: running.api.sent)
    assert running.api.sent[0].text == "*a* <b> [c](d) _e_ `f` x"
    assert "parse_mode" not in running.api.asked("sendMessage")[0]


async def test_who_is_not_answered(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    group = {"id": -1001, "type": "supergroup", "title": "The group"}
    channel = {"id": -1009, "type": "channel", "title": "News"}
    await running.api.write("elsewhere", chat=-1002)
    await running.api.write("a stranger in private", chat=56)
    await running.api.write("a bot", sender=person("Robot", is_bot=True))
    await running.api.write("a linked channel", sender_chat=channel, is_automatic_forward=True)
    await running.api.write("as a channel", sender=person("C", is_bot=True), sender_chat=channel)
    await running.api.write("an admin", sender=person("G", is_bot=True), sender_chat=group)
    await running.api.write("in private", chat=55)
    await heard.hears("an admin", "in private")
    assert heard.messages[0][1] == "The group"
    assert heard.messages[1][0] == "telegram:55"


async def test_commands_and_mentions(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    for text in (
        "/reload@the_bot", "/reload@other_bot", "/reset@The_Bot now", "/help", "/reload@the_bot2",
        "@the_bot, what is up?", "@other what is up?", "@the_bot", "mail me@the_bot please",
    ):  # fmt: skip
        await running.api.write(text)
    await heard.hears(
        "/reload", "/reset now", "/help", "what is up?", "@other what is up?",
        "mail me@the_bot please",
    )  # fmt: skip


async def test_commands_are_listed(running: Running) -> None:
    await running.start(Heard())
    await until(lambda: running.api.commands)
    assert [command["command"] for command in running.api.commands] == [
        "reload", "reset", "status", "help",
    ]  # fmt: skip


async def test_a_list_of_commands_that_is_refused_stops_nothing(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    running.api.faults.plan("setMyCommands", 400)
    heard = Heard()
    await running.start(heard)
    await running.api.write("hello")
    await heard.hears("hello")
    assert "the list of commands was not taken" in logged.text


async def test_a_topic_of_a_forum_is_a_conversation(running: Running) -> None:
    heard = Heard("yes", seconds=0.1)
    await running.start(heard)
    await running.api.write("here", message_thread_id=9, is_topic_message=True)
    await running.api.write("a reply elsewhere", message_thread_id=77)
    await until(lambda: len(running.api.sent) == 2)
    assert sorted(name for name, _, _ in heard.messages) == ["telegram:-1001", "telegram:-1001:9"]
    assert {sent.thread for sent in running.api.sent} == {9, None}
    assert running.api.asked("sendChatAction")[0]["message_thread_id"] == 9


async def test_a_long_answer_goes_out_in_order(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.write("tell me")
    await until(lambda: heard.rooms)
    await heard.rooms[0].say("\n\n".join(f"Paragraph {n} 😀 " + "word " * 100 for n in range(30)))
    numbers = [
        int(word) for sent in running.api.sent for word in sent.text.split() if word.isdigit()
    ]
    assert numbers == list(range(30))
    assert len(running.api.sent) > 3


async def test_429_is_waited_for(running: Running) -> None:
    running.api.faults.plan("sendMessage", 429)
    running.api.faults.retry_after = 1
    heard = Heard()
    await running.start(heard)
    await running.api.write("hello")
    await until(lambda: heard.rooms)
    began = time.monotonic()
    await heard.rooms[0].say("an answer")
    assert [sent.text for sent in running.api.sent] == ["an answer"]
    assert running.api.sent[0].at - began >= 1


async def test_5xx_is_tried_again_and_400_is_not(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    await running.api.write("hello")
    await until(lambda: heard.rooms)
    running.api.faults.plan("sendMessage", 502)
    await heard.rooms[0].say("an answer")
    assert [sent.text for sent in running.api.sent] == ["an answer"]
    running.api.faults.plan("sendMessage", 400)
    with pytest.raises(PlatformError, match="refuses the request"):
        await heard.rooms[0].say("another")
    running.api.faults.plan("sendMessage", 403)
    with pytest.raises(PlatformError, match="does not let the bot write") as fault:
        await heard.rooms[0].say("another")
    assert "add the bot" in fault.value.hint


async def test_typing_that_fails_does_not_stop_an_answer(running: Running) -> None:
    running.api.faults.plan("sendChatAction", 500)
    await running.start(Heard("yes", seconds=0.1))
    await running.api.write("hello")
    await until(lambda: running.api.sent)


async def test_it_polls_on_after_faults(
    running: Running, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "CONFLICT_PAUSE", 0.1)
    running.api.faults.plan("getUpdates", 502, 409)
    heard = Heard()
    await running.start(heard)
    await running.api.write("hello")
    await heard.hears("hello")
    assert "another program polls with the same token" in logged.text


async def test_polling_that_fails_for_long_is_told_of(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "CONFLICT_PAUSE", 0.1)
    heard = Heard()
    running.api.faults.plan("getUpdates", *[409] * 3)
    platform = await running.start(heard)
    await until(lambda: running.api.asked("getUpdates"))
    assert platform.trouble == "", "one that ends by itself is nothing to tell of"
    monkeypatch.setattr(outage, "PATIENCE", 0.0)
    said = "another program polls Telegram with the same token"
    await until(lambda: platform.trouble == said)
    await until(lambda: not platform.trouble)


async def test_nothing_is_lost_or_heard_twice_over_a_restart(running: Running) -> None:
    first, second = Heard(), Heard()
    platform = await running.start(first)
    await running.api.write("one")
    await first.hears("one")
    await until(lambda: running.api.polls >= 2)
    await platform.stop()
    await running.api.write("two")
    await running.start(second)
    await second.hears("two")


async def test_a_wrong_token_says_what_to_do(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    wrong = "987654321:wrong-token-for-Telegram"
    with pytest.raises(PlatformRefused, match="refuses the token") as fault:
        await running.start(Heard(), token=wrong)
    assert "@BotFather" in fault.value.hint
    assert wrong not in f"{fault.value} {fault.value.why} {logged.text}"


async def test_no_server_there() -> None:
    platform = Telegram(Access(Secret(TOKEN), ALLOWED, api_url="http://127.0.0.1:9"))
    with pytest.raises(PlatformError, match="can't be reached") as fault:
        await platform.start(Heard())
    assert not isinstance(fault.value, PlatformRefused)


async def test_stop_is_quick_even_while_telegram_hangs(running: Running) -> None:
    running.api.faults.plan("getUpdates", None)
    running.api.faults.plan("sendMessage", None)
    platform = await running.start(Heard("never arrives"))
    await until(lambda: running.api.asked("getUpdates"))
    async with asyncio.timeout(HANGS):
        await platform.stop()
        await platform.stop()


async def test_stop_ends_an_answer_that_is_under_way(running: Running) -> None:
    heard = Heard("late", seconds=60)
    platform = await running.start(heard)
    await running.api.write("hello")
    await until(lambda: running.api.asked("sendChatAction"))
    async with asyncio.timeout(HANGS):
        await platform.stop()
    assert not running.api.sent


async def test_another_token_after_a_reload(running: Running) -> None:
    running.api.tokens.add("222:another-token-for-Telegram")
    first, second = Heard(), Heard()
    old = await running.start(first)
    await running.api.write("one")
    await first.hears("one")
    await until(lambda: running.api.polls >= 2)
    await old.stop()
    await running.start(second, token="222:another-token-for-Telegram")
    await running.api.write("two")
    await second.hears("two")
    assert first.texts == ["one"]


async def test_an_answer_that_comes_after_a_reload_arrives_all_the_same(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    platform = await running.start(heard)
    await running.api.write("hello")
    await until(lambda: heard.rooms)
    await platform.stop()
    async with heard.rooms[0].typing():
        await heard.rooms[0].say("late")
    assert [sent.text for sent in running.api.sent] == ["late"]
    running.api.tokens.clear()
    with pytest.raises(PlatformRefused):
        await heard.rooms[0].say("too late")
    assert TOKEN not in logged.text


async def test_a_receiver_that_fails_is_logged_and_the_next_is_heard(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    class Failing(Heard):
        async def __call__(self, room, author, text):  # type: ignore[no-untyped-def]
            await super().__call__(room, author, text)
            raise RuntimeError("a fault of the agent")

    heard = Failing()
    await running.start(heard)
    await running.api.write("one")
    await running.api.write("two")
    await heard.hears("one", "two")
    await until(lambda: "a fault of the agent" in logged.text)


async def test_what_is_odd_is_said_at_the_start(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    running.api.reads_all = False
    await running.start(Heard(), own_name="@another_bot")
    assert "not of @another_bot" in logged.text
    assert "privacy mode" in logged.text


async def test_the_new_id_of_a_group_is_said(
    running: Running, logged: pytest.LogCaptureFixture
) -> None:
    await running.start(Heard())
    await running.api.write("", migrate_to_chat_id=-100777)
    await until(lambda: "became supergroup -100777" in logged.text)


async def test_the_token_is_in_no_log(running: Running, logged: pytest.LogCaptureFixture) -> None:
    running.api.faults.plan("getUpdates", 404)
    running.api.faults.plan("sendMessage", 500)
    running.api.faults.plan("sendChatAction", 401)
    heard = Heard("answer", seconds=0.1)
    platform = await running.start(heard)
    await running.api.write("hello")
    await until(lambda: running.api.sent)
    await platform.stop()
    assert len(logged.records) > 20
    assert TOKEN not in logged.text
    assert TOKEN.split(":")[1] not in logged.text


async def test_conversations_keep_their_order_under_load(running: Running) -> None:
    heard = Heard()
    await running.start(heard)
    for number in range(200):
        await running.api.write(
            str(number), message_thread_id=number % 20 + 1, is_topic_message=True
        )
    await until(lambda: len(heard.texts) == 200)
    for topic in range(20):
        found = [int(text) for name, _, text in heard.messages if name.endswith(f":{topic + 1}")]
        assert found == list(range(topic, 200, 20))
    await asyncio.gather(*(room.say("done") for room in heard.rooms))
    assert len(running.api.sent) == 200


@pytest.mark.parametrize("token", ["", "no-colon", "1:a b", "1:a\nb", "1:a/../b", "1:ü", " 1:a"])
async def test_what_is_no_token_is_asked_of_nobody(running: Running, token: str) -> None:
    with pytest.raises(PlatformRefused, match="refuses the token"):
        await running.start(Heard(), token=token)
    assert not running.api.calls


async def test_a_start_that_is_given_up_leaves_nothing(running: Running) -> None:
    running.api.faults.plan("getMe", None)
    starting = asyncio.create_task(running.start(Heard()))
    await until(lambda: running.api.asked("getMe"))
    starting.cancel()
    await asyncio.wait({starting})
    await running.started[0].stop()


async def test_an_update_that_nobody_can_read_does_not_end_it(
    running: Running, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "FAILED_PAUSE", 0.1)
    heard = Heard()
    await running.start(heard)
    with monkeypatch.context() as patch:
        patch.setattr(telegram, "is_from_person", None)
        await running.api.write("hello")
        await until(lambda: "polling failed" in logged.text)
    await running.api.write("and again")
    await heard.hears("and again")
