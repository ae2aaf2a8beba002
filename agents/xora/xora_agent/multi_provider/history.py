"""What was said: kept within bounds, and on disk over a restart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    UserPromptPart,
)

from xora_agent.private_file import make_private_folder, write_private

_log = structlog.get_logger(__name__)
LIMIT = 150_000
# Bytes of UTF-8 a token. English has four or more; languages with accents, and JSON, come to three.
_BYTES_A_TOKEN = 3


def tokens(messages: Sequence[ModelMessage]) -> int:
    """Estimate from above how many tokens messages are, for any model."""
    size = 0
    for message in messages:
        for part in message.parts:
            content = getattr(part, "content", None)
            for held in (content, getattr(part, "args", None)):
                size += len(_text(held).encode())
            size += 16  # its role, and the name of a tool
    return size // _BYTES_A_TOKEN


def _text(held: object) -> str:
    if held is None:
        return ""
    return held if isinstance(held, str) else json.dumps(held, default=str, ensure_ascii=False)


def turns(messages: Sequence[ModelMessage]) -> list[list[ModelMessage]]:
    """Split at what people said, so that a tool's call and its result stay in one turn."""
    parted: list[list[ModelMessage]] = []
    for message in messages:
        asks = isinstance(message, ModelRequest) and any(
            isinstance(part, UserPromptPart) for part in message.parts
        )
        if asks or not parted:
            parted.append([])
        parted[-1].append(message)
    return parted


def fit(messages: Sequence[ModelMessage], limit: int) -> list[ModelMessage]:
    """Leave out the oldest turns until what is left has at most `limit` tokens."""
    kept: list[ModelMessage] = []
    room = limit
    for turn in reversed(turns(messages)):
        room -= tokens(turn)
        if room < 0:
            break
        kept[:0] = turn
    return kept


@dataclass
class Conversation:
    """What was said in one conversation."""

    name: str
    messages: list[ModelMessage] = field(default_factory=list)
    unsaved: bool = False


class Shelf:
    """A private folder that holds a file for each conversation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> dict[str, Conversation]:
        """Read all conversations; one that can't be read begins anew."""
        found: dict[str, Conversation] = {}
        for path in sorted(self._folder.glob("*.json")):
            try:
                conversation = _parse(path.read_bytes())
            except (OSError, ValueError) as fault:
                _log.warning("a conversation begins anew", file=path.name, fault=str(fault)[:200])
                continue
            found[conversation.name] = conversation
        return found

    def save(self, conversations: Iterable[Conversation]) -> None:
        """Write the conversations that changed."""
        make_private_folder(self._folder)
        for conversation in conversations:
            if conversation.unsaved:
                # Marked first: what is said while this is written is for the next time.
                conversation.unsaved = False
                try:
                    write_private(self._path(conversation.name), _dump(conversation))
                except OSError:
                    conversation.unsaved = True
                    raise

    def forget(self, name: str) -> None:
        """Take a conversation away."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        # A name comes from a platform: it may hold anything, and be of any length.
        return self._folder / (hashlib.sha256(name.encode()).hexdigest()[:32] + ".json")


_NAME: TypeAdapter[str] = TypeAdapter(str)


def _dump(conversation: Conversation) -> bytes:
    messages = ModelMessagesTypeAdapter.dump_python(conversation.messages, mode="json")
    return json.dumps({"conversation": conversation.name, "messages": messages}).encode()


def _parse(content: bytes) -> Conversation:
    """Read what `_dump` wrote. Raises ValueError."""
    held = json.loads(content)
    if not isinstance(held, dict):
        raise ValueError("it is not an object")
    try:
        name = _NAME.validate_python(held.get("conversation"))
        messages = ModelMessagesTypeAdapter.validate_python(held.get("messages"))
    except ValidationError as fault:
        raise ValueError(f"{fault.error_count()} faults in its messages") from fault
    return Conversation(name, messages)
