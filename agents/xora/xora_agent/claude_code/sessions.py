"""Which of Claude Code's sessions goes on with which conversation."""

from __future__ import annotations

import json
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from xora_agent.private_file import make_private_folder, write_private

_log = structlog.get_logger(__name__)
_SESSIONS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


class Sessions:
    """A private file of session ids; the sessions themselves lie in Claude Code's own folder."""

    def __init__(self, folder: Path, config: Path) -> None:
        self._path = folder / "sessions.json"
        self._config = config
        self._ids: dict[str, str] = {}

    def load(self) -> None:
        """Read what a former run wrote; without it, all conversations begin anew."""
        try:
            self._ids = _SESSIONS.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValidationError) as fault:
            _log.warning("conversations begin anew", file=str(self._path), fault=_first(fault))

    def of(self, conversation: str) -> str | None:
        """Give a conversation's session, if it has one."""
        return self._ids.get(conversation)

    def keep(self, conversation: str, session: str) -> bool:
        """Remember a session; tell whether that is new."""
        if self._ids.get(conversation) == session:
            return False
        self._ids[conversation] = session
        return True

    def drop(self, conversation: str) -> str | None:
        """Forget a conversation's session, and give what it was."""
        return self._ids.pop(conversation, None)

    def erase(self, session: str) -> None:
        """Delete what was said in a session."""
        for transcript in self._config.glob(f"projects/*/{session}.jsonl"):
            transcript.unlink(missing_ok=True)

    def save(self) -> None:
        """Write the ids."""
        make_private_folder(self._path.parent)
        write_private(self._path, json.dumps(self._ids).encode())


def _first(fault: Exception) -> str:
    return str(fault).partition("\n")[0][:200]
