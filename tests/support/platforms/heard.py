"""What takes messages in place of the agent's chat."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from xora_agent.platform import Room

from tests.support.platforms.served import until


@dataclass
class Heard:
    """Keeps what came, and answers with `answer` when it is set."""

    answer: str = ""
    seconds: float = 0.0
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)

    async def __call__(self, room: Room, author: str, text: str) -> None:
        self.rooms.append(room)
        self.messages.append((room.conversation, author, text))
        if self.answer:
            async with room.typing():
                await asyncio.sleep(self.seconds)
            await room.say(self.answer.format(text=text))

    @property
    def texts(self) -> list[str]:
        return [text for _, _, text in self.messages]

    async def hears(self, *texts: str) -> None:
        """Wait for just these."""
        await until(lambda: len(self.texts) >= len(texts))
        assert self.texts == list(texts)
