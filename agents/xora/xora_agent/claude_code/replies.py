"""From Claude Code's messages to pieces of an answer, or to a sentence about what went wrong."""

from __future__ import annotations

from typing import Any

from claude_agent_sdk import AssistantMessage, ResultMessage, StreamEvent, TextBlock, ToolUseBlock

from xora_agent.brain import Mind
from xora_agent.claude_code.launch import model_name
from xora_agent.errors import BrainError

QUESTION_TOOL = "AskUserQuestion"


class Teller:
    """Gives each text once: as it streams, or whole where it did not stream to its end."""

    def __init__(self) -> None:
        self._said = False
        self._block = ""

    def pieces(self, message: object) -> list[str]:
        """Take the texts for people out of a message; what helpers say among themselves is none."""
        if getattr(message, "parent_tool_use_id", None):
            return []
        if isinstance(message, StreamEvent):
            return self._streamed(message.event)
        if isinstance(message, AssistantMessage) and not message.error:
            return [piece for block in message.content for piece in self._whole(block)]
        return []

    def _streamed(self, event: dict[str, Any]) -> list[str]:
        text = event.get("delta", {}).get("text") if _is_text(event) else None
        if not text:
            return []
        begins, self._block = not self._block, self._block + text
        return [self._new_paragraph(text) if begins else text]

    def _whole(self, block: object) -> list[str]:
        if isinstance(block, ToolUseBlock) and block.name == QUESTION_TOOL:
            return [self._new_paragraph(ask(block.input))]
        if not isinstance(block, TextBlock):
            return []
        streamed, self._block = self._block, ""
        if block.text.startswith(streamed):
            rest = block.text[len(streamed) :]
            return [rest if streamed else self._new_paragraph(rest)] if rest else []
        return [self._new_paragraph(block.text)]

    def _new_paragraph(self, text: str) -> str:
        before, self._said = self._said, True
        return f"\n\n{text}" if before else text


def _is_text(event: dict[str, Any]) -> bool:
    delta = event.get("delta")
    return isinstance(delta, dict) and delta.get("type") == "text_delta"


def ask(question: dict[str, Any]) -> str:
    """Write a question with choices as a message, to be answered by the next one."""
    lines: list[str] = []
    for one in question.get("questions") or []:
        lines.append(str(one.get("question", "")))
        for number, option in enumerate(one.get("options") or [], 1):
            described = option.get("description")
            more = f": {described}" if described else ""
            lines.append(f"{number}. {option.get('label', '')}{more}")
    return "\n".join(lines)


def fault_of(result: ResultMessage, mind: Mind) -> BrainError | None:
    """Say what went wrong, if anything did."""
    if result.subtype == "error_max_turns":
        return BrainError(
            f"Claude was stopped after {mind.max_turns} turns",
            why="it had not come to an answer by then",
            hint="ask for less at once, or raise CLAUDE_MAX_TURNS",
        )
    if not result.is_error:
        return None
    said = result.result or "; ".join(result.errors or ())
    return explain(result.api_error_status, said, mind)


def explain(status: int | None, said: str, mind: Mind) -> BrainError:
    """Make a sentence of a status and of what Claude Code says about it."""
    who = model_name(mind)
    why = _without_secrets(said, mind)
    if status in {401, 403}:
        return _refused_key(status, mind)
    if status == 429:
        return BrainError(f"{who} takes no more requests for now", why=why, hint="try again later")
    if status == 404:
        return BrainError(
            f"{who} is not there", why=why, hint="check the model's name and the address"
        )
    if status is not None and status >= 500:
        return BrainError(f"{who} is overloaded or down", why=why, hint="try again later")
    return BrainError(f"{who} gave no answer", why=why, hint="try again, or begin anew with /reset")


def _refused_key(status: int | None, mind: Mind) -> BrainError:
    key = mind.model.key if mind.model and mind.model.key else mind.oauth_token
    where = (mind.model and mind.model.base_url) or "Anthropic's own API"
    return BrainError(
        f"Anthropic refused the key {key}",
        why=f"it was sent to {where} (HTTP {status})",
        hint="check the deployment's key in the controller, or the key in the agent's settings",
    )


def _without_secrets(said: str, mind: Mind) -> str:
    secrets = [mind.oauth_token, mind.model.key if mind.model else None]
    secrets += [value for server in mind.mcp_servers for value in server.headers.values()]
    for secret in secrets:
        if secret:
            said = said.replace(secret.value, str(secret))
    said = " ".join(said.split())
    return said if len(said) <= 300 else said[:299] + "…"
