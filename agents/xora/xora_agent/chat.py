"""Takes messages from rooms, in order for each conversation, and brings answers back."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from xora_agent.brain import Brain, Question
from xora_agent.errors import XoraError
from xora_agent.guard import end, guarded
from xora_agent.logs import correlation, log
from xora_agent.meters import Activity
from xora_agent.platform import Room

_MOST_WAITING = 20
_AT_ONCE = 8
_ROOMS = 50

HELP = """\
Write to me, and I answer. Commands:
/reload - fetch my newest configuration, and use it
/reset - forget this conversation, and begin anew
/status - how I am
/help - this text"""


@dataclass(frozen=True)
class Commands:
    """What people may tell the agent; each gives the text to answer with."""

    reload: Callable[[], Awaitable[str]]
    status: Callable[[], str]
    is_ready: Callable[[], bool]


@dataclass(frozen=True)
class _Message:
    room: Room
    question: Question


@dataclass
class _Line:
    waiting: deque[_Message] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Chat:
    """All conversations. Those of different rooms go on side by side, a few at once."""

    def __init__(self, brain: Brain, activity: Activity, commands: Commands) -> None:
        self._brain = brain
        self._activity = activity
        self._commands = commands
        self._lines: dict[str, _Line] = {}
        self._rooms: OrderedDict[str, Room] = OrderedDict()
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._closed = False

    async def receive(self, room: Room, author: str, text: str) -> None:
        """Take one message; returns before it is answered, but for commands."""
        if self._closed or not text.strip():
            return
        with structlog.contextvars.bound_contextvars(correlation=correlation()):
            self._activity.heard(room.conversation)
            self._remember(room)
            log.info("a message", conversation=room.conversation, characters=len(text))
            command = text.split(maxsplit=1)[0].partition("@")[0].lower()
            if command in {"/reload", "/reset", "/status", "/help"}:
                await self._command(command, room)
            else:
                await self._queue(_Message(room, Question(room.conversation, author, text)))

    async def announce(self, text: str) -> None:
        """Tell the rooms that were heard from last."""
        await asyncio.gather(*(self._say(room, text) for room in list(self._rooms.values())))

    async def close(self) -> None:
        """Take no more messages, and leave those that wait."""
        self._closed = True
        await end(*(line.task for line in self._lines.values()))

    def _remember(self, room: Room) -> None:
        self._rooms[room.conversation] = room
        self._rooms.move_to_end(room.conversation)
        if len(self._rooms) > _ROOMS:
            self._rooms.popitem(last=False)

    async def _command(self, command: str, room: Room) -> None:
        log.info("a command", command=command)
        if command == "/reload":
            text = await self._commands.reload()
        elif command == "/reset":
            text = await self._reset(room.conversation)
        else:
            text = HELP if command == "/help" else self._commands.status()
        await self._say(room, text)

    async def _reset(self, conversation: str) -> str:
        """Leave what is being answered or waits, then begin anew."""
        line = self._lines.pop(conversation, None)
        if line is not None:
            await end(line.task)
        try:
            await guarded(self._brain.forget(conversation), "forgetting a conversation")
        except XoraError as error:
            return f"That did not work: {error.message}"
        return "I have forgotten this conversation."

    async def _queue(self, message: _Message) -> None:
        if not self._commands.is_ready():
            await self._say(message.room, "I can't answer yet; /status says why.")
            return
        conversation = message.question.conversation
        line = self._lines.setdefault(conversation, _Line())
        if len(line.waiting) >= _MOST_WAITING:
            await self._say(message.room, "Too many messages wait already; try again later.")
            return
        line.waiting.append(message)
        if line.task is None or line.task.done():
            line.task = asyncio.create_task(self._work(conversation, line))

    async def _work(self, conversation: str, line: _Line) -> None:
        while line.waiting:
            message = line.waiting.popleft()
            with structlog.contextvars.bound_contextvars(correlation=correlation()):
                await self._answer(message)
        if self._lines.get(conversation) is line:
            del self._lines[conversation]

    async def _answer(self, message: _Message) -> None:
        async with self._free, _typing(message.room):
            self._activity.answering += 1
            try:
                text = await guarded(self._asked(message.question), "answering")
            except XoraError as error:
                log.error("no answer", error=error.message, why=error.why, hint=error.hint)
                text = f"I can't answer: {error.message}"
            finally:
                self._activity.answering -= 1
        await self._say(message.room, text.strip() or "(There is nothing to say.)")

    async def _asked(self, question: Question) -> str:
        answer = self._brain.answer(question)
        try:
            return "".join([piece async for piece in answer])
        finally:
            close = getattr(answer, "aclose", None)  # an iterator need not have it
            if close is not None:
                await close()

    async def _say(self, room: Room, text: str) -> None:
        try:
            await guarded(room.say(text), "sending a text")
        except XoraError as error:
            log.error("a text was not sent", conversation=room.conversation, error=error.message)


@contextlib.asynccontextmanager
async def _typing(room: Room) -> AsyncIterator[None]:
    """Show that an answer is written; where that fails, the answer counts more."""
    try:
        shown = await guarded(_shown(room), "showing that it writes")
    except XoraError:
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(XoraError):
            await guarded(shown.__aexit__(None, None, None), "showing that it has written")


async def _shown(room: Room) -> contextlib.AbstractAsyncContextManager[None]:
    shown = room.typing()
    await shown.__aenter__()
    return shown
