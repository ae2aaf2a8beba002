"""Messages, their order, and what people may command."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from xora_agent.chat import Chat, Commands
from xora_agent.errors import PlatformError
from xora_agent.meters import Activity

from tests.support.xora.fakes import FakeBrain, FakeRoom


def play(test: Callable[[Chat, FakeBrain, Activity], Awaitable[None]], ready: bool = True) -> None:
    async def run() -> None:
        brain, activity = FakeBrain(), Activity()

        async def reload() -> str:
            return "Reloaded."

        chat = Chat(brain, activity, Commands(reload, lambda: "well", lambda: ready))
        try:
            await asyncio.wait_for(test(chat, brain, activity), 10)
        finally:
            await chat.close()

    asyncio.run(run())


def test_a_message_is_answered_while_it_shows_that_it_writes() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        room = FakeRoom()
        await chat.receive(room, "a", "hello")
        assert await room.next() == "you said: hello"
        assert room.typed == 1
        assert (activity.messages, activity.conversations, activity.status) == (1, 1, "online")

    play(test)


def test_one_conversation_goes_in_order_and_others_beside_it() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        one, two = FakeRoom("one"), FakeRoom("two")
        await chat.receive(one, "a", "slow 1")
        await chat.receive(one, "a", "2")
        await chat.receive(two, "b", "3")
        assert await two.next() == "you said: 3"
        assert one.said == []
        assert activity.status == "busy"
        brain.go.set()
        while len(one.said) < 2:
            await one.next()
        assert one.said == ["you said: slow 1", "you said: 2"]
        assert activity.status == "online"

    play(test)


def test_commands_do_not_wait_in_the_queue() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        room = FakeRoom()
        await chat.receive(room, "a", "slow")
        for text, said in (
            ("/status", "well"),
            ("/reload@my_bot", "Reloaded."),
            (" /RELOAD now", "Reloaded."),
        ):
            await chat.receive(room, "a", text)
            assert room.said[-1] == said
        await chat.receive(room, "a", "/help")
        assert all(each in room.said[-1] for each in ("/reload", "/reset", "/status", "/help"))
        assert brain.asked in ([], ["slow"])

    play(test)


def test_reset_leaves_what_is_answered_and_forgets() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        room = FakeRoom()
        await chat.receive(room, "a", "slow")
        await chat.receive(room, "a", "never")
        await asyncio.sleep(0.01)
        await chat.receive(room, "a", "/reset")
        assert room.said == ["I have forgotten this conversation."]
        assert brain.forgotten == ["test:1"]
        assert activity.answering == 0
        await chat.receive(room, "a", "hello")
        while len(room.said) < 2:
            await room.next()
        assert room.said[1] == "you said: hello"
        assert brain.asked == ["slow", "hello"]

    play(test)


def test_a_question_that_fails_is_told_and_the_next_is_answered() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        room = FakeRoom()
        for text, said in (
            ("fault", "I can't answer: the model does not answer"),
            ("bug", "I can't answer: an unexpected error: KeyError"),
            ("hello", "you said: hello"),
        ):
            await chat.receive(room, "a", text)
            assert await room.next() == said
        assert activity.answering == 0

    play(test)


def test_a_room_that_is_gone_ends_nothing() -> None:
    class Broken(FakeRoom):
        def typing(self) -> contextlib.AbstractAsyncContextManager[None]:
            raise PlatformError("gone")

    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        room, mute = FakeRoom(broken=True), Broken("mute")
        await chat.receive(room, "a", "1")
        await chat.receive(mute, "a", "2")
        assert await mute.next() == "you said: 2"
        room.broken = False
        await chat.receive(room, "a", "3")
        while "you said: 3" not in room.said:
            await room.next()

    play(test)


def test_too_many_messages_are_told_so() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        room = FakeRoom()
        await chat.receive(room, "a", "slow")
        await asyncio.sleep(0.01)
        for number in range(21):
            await chat.receive(room, "a", f"slow {number}")
        assert room.said == ["Too many messages wait already; try again later."]

    play(test)


def test_before_it_can_answer_it_says_so() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        room = FakeRoom()
        await chat.receive(room, "a", "hello")
        assert room.said == ["I can't answer yet; /status says why."]
        await chat.receive(room, "a", "   ")
        assert len(room.said) == 1

    play(test, ready=False)


def test_rooms_that_were_heard_from_are_told_news() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        rooms = [FakeRoom(f"{number}") for number in range(3)]
        for room in rooms[:2]:
            await chat.receive(room, "a", "/status")
        await chat.announce("Switching")
        assert [room.said[-1:] for room in rooms] == [["Switching"], ["Switching"], []]

    play(test)


def test_once_closed_it_takes_nothing() -> None:
    async def test(chat: Chat, brain: FakeBrain, activity: Activity) -> None:
        room = FakeRoom()
        await chat.receive(room, "a", "slow")
        await asyncio.sleep(0.01)
        await chat.close()
        await chat.receive(room, "a", "hello")
        assert (room.said, activity.answering) == ([], 0)

    play(test)


def test_what_a_heartbeat_says_of_the_agent() -> None:
    now = 0.0
    activity = Activity(lambda: now)
    assert activity.status == "online"
    now = 601.0
    assert (activity.status, activity.uptime) == ("idle", 601)
    activity.heard("a")
    activity.heard("a")
    activity.answering = 1
    assert activity.status == "busy"
    metrics = activity.metrics()
    assert (metrics["messageCount"], metrics["conversationCount"]) == (2, 1)
    assert 1 < metrics["memoryUsage"] < 10_000
