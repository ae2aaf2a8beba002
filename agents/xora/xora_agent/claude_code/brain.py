"""Asks Claude Code: one process an answer, which goes on with the conversation's session.

A process that ends with its answer takes no memory between questions, and each has the tokens and
the instruction of its moment. It starts in about half a second.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from claude_agent_sdk import (
    CanUseToolShadowedWarning,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ClaudeSDKError,
    HookMatcher,
    PermissionResultAllow,
    PermissionResultDeny,
    ProcessError,
    ResultMessage,
)

from xora_agent.brain import McpServer, Mind, Model, Question
from xora_agent.claude_code import launch
from xora_agent.claude_code.replies import QUESTION_TOOL, Teller, explain, fault_of
from xora_agent.claude_code.sessions import Sessions
from xora_agent.errors import BrainError
from xora_agent.private_file import make_private_folder, write_private

_log = structlog.get_logger(__name__)
# The gate below sees every call; who would be asked for a permission sees what is left of them.
warnings.filterwarnings("ignore", category=CanUseToolShadowedWarning)
_LARGEST_MESSAGE = 32 * 1024 * 1024  # bytes; a tool may give a whole file
# Each takes some 200 MB while it answers.
_AT_ONCE = 4
_ASKED = "The question was sent to the person. End your turn now; the answer comes as a message."


class _Gone(Exception):
    """The session to go on with is no longer there."""


class ClaudeCode:
    """The brain that is Claude Code."""

    def __init__(self, workspace: Path, state: Path) -> None:
        self._workspace = workspace.absolute()
        self._folder = state.absolute() / "claude-code"
        self._config = self._folder / "config"
        self._sessions = Sessions(self._folder, self._config)
        self._mind: Mind | None = None
        self._running: set[ClaudeSDKClient] = set()
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def configure(self, mind: Mind) -> str | None:
        """Take a new mind; say so where another model answers from now on."""
        launch.check(mind)
        before = self._mind
        if before is None and mind.resume:
            await asyncio.to_thread(self._sessions.load)
        await asyncio.to_thread(self._write, mind)
        self._mind = mind
        mode = self._mode(mind)
        if mode != mind.permission_mode:
            _log.warning(
                "Claude Code bypasses no permissions as root: it uses allowed tools, and no others",
                asked_for=mind.permission_mode,
                used=mode,
                hint="run the agent as a user of its own, or set IS_SANDBOX=1 in a container",
            )
        if before is None or launch.model_name(before) == launch.model_name(mind):
            return None
        names = [f"anthropic/{launch.model_name(one)}" for one in (before, mind)]
        sentence = f"Switching from {' → '.join(names)}"
        _log.info(sentence)
        return sentence

    async def renew(self, servers: tuple[McpServer, ...], model: Model | None) -> None:
        """Take renewed tokens: the next question has them."""
        if self._mind is None:
            return
        mind = replace(self._mind, mcp_servers=servers, model=model or self._mind.model)
        launch.check(mind)
        await asyncio.to_thread(self._write, mind)
        self._mind = mind

    async def answer(self, question: Question) -> AsyncIterator[str]:
        """Give the answer in pieces as they come."""
        mind = self._mind
        if mind is None:
            raise BrainError("the agent is not ready yet", hint="try again in a while")
        async with self._room:
            session = self._sessions.of(question.conversation)
            try:
                async for piece in self._ask(mind, question, session):
                    yield piece
            except _Gone:
                _log.warning("a session is gone: its conversation begins anew", session=session)
                self._sessions.drop(question.conversation)
                async for piece in self._ask(mind, question, None):
                    yield piece

    async def _ask(self, mind: Mind, question: Question, session: str | None) -> AsyncIterator[str]:
        said: deque[str] = deque(maxlen=20)  # what it says of itself, for when it fails
        client = ClaudeSDKClient(self._options(mind, session, said.append))
        self._running.add(client)
        try:
            await client.connect()
            await client.query(_prompt(question))
            teller = Teller()
            async for message in client.receive_response():
                for piece in teller.pieces(message):
                    yield piece
                if isinstance(message, ResultMessage):
                    await self._end(mind, question, session, message)
        except ProcessError as fault:
            raise _failed(mind, session, "\n".join(said) or str(fault)) from fault
        except ClaudeSDKError as fault:
            raise _failed(mind, session, str(fault)) from fault
        finally:
            self._running.discard(client)
            await client.disconnect()

    async def _end(
        self, mind: Mind, question: Question, session: str | None, result: ResultMessage
    ) -> None:
        if session and _is_gone("; ".join(result.errors or ())):
            raise _Gone
        fault = fault_of(result, mind)
        if fault is not None:
            raise fault
        # One that was forgotten while it was answered must not come back.
        if self._sessions.of(question.conversation) != session:
            self._sessions.erase(result.session_id)
        elif self._sessions.keep(question.conversation, result.session_id) and mind.resume:
            try:
                await asyncio.to_thread(self._sessions.save)
            except OSError as wrong:  # such as a full disk; the answer is there all the same
                _log.error("which session goes on was not written", why=wrong.strerror)

    def _options(
        self, mind: Mind, session: str | None, stderr: Callable[[str], None]
    ) -> ClaudeAgentOptions:
        allowed = launch.rules(mind.allowed_tools, mind.mcp_servers)
        return ClaudeAgentOptions(
            cwd=self._workspace,
            env=launch.environment(mind, os.environ, self._config),
            model=launch.model_name(mind),
            # Files: what a process is started with can be read by everybody on the machine.
            system_prompt={"type": "file", "path": str(self._instruction)},
            mcp_servers=self._servers,
            strict_mcp_config=True,
            setting_sources=[],
            max_turns=mind.max_turns,
            permission_mode=self._mode(mind),  # type: ignore[arg-type]
            tools=launch.builtin_tools(mind.allowed_tools),
            allowed_tools=[rule for rule in allowed if rule != QUESTION_TOOL],
            hooks={"PreToolUse": [HookMatcher(hooks=[_gate(allowed)])]},
            can_use_tool=_refuse_or_allow(allowed),
            include_partial_messages=True,
            verbatim_prompts=True,  # what people write is no command, and names no file to read
            resume=session,
            stderr=stderr,
            max_buffer_size=_LARGEST_MESSAGE,
        )

    def _mode(self, mind: Mind) -> str:
        sandbox = os.environ.get("IS_SANDBOX") == "1"
        return launch.permission_mode(mind, root=os.geteuid() == 0, sandbox=sandbox)

    @property
    def _instruction(self) -> Path:
        return self._folder / "instruction.md"

    @property
    def _servers(self) -> Path:
        return self._folder / "mcp-servers.json"

    def _write(self, mind: Mind) -> None:
        self._workspace.mkdir(parents=True, exist_ok=True)
        make_private_folder(self._folder)
        make_private_folder(self._config)
        write_private(self._instruction, mind.instruction.encode())
        servers = mind.mcp_servers if mind.allowed_tools else ()
        write_private(self._servers, launch.mcp_config(servers))

    async def forget(self, conversation: str) -> None:
        """Begin this conversation anew, and delete what was said in it."""
        session = self._sessions.drop(conversation)
        if session is not None:
            await asyncio.to_thread(self._sessions.erase, session)
            await self.save()

    async def save(self) -> None:
        """Write which session goes on with which conversation."""
        if self._mind is not None and self._mind.resume:
            await asyncio.to_thread(self._sessions.save)

    async def close(self) -> None:
        """End the processes that still answer."""
        self._mind = None
        while self._running:
            await self._running.pop().disconnect()


def _prompt(question: Question) -> str:
    """Say who asks: several people may share a conversation."""
    author = " ".join(question.author.split())
    return f"{author}: {question.text}" if author else question.text


def _failed(mind: Mind, session: str | None, said: str) -> Exception:
    if session and _is_gone(said):
        return _Gone()
    return explain(None, said, mind)


def _is_gone(said: str) -> bool:
    return "No conversation found" in said


def _gate(allowed: list[str]) -> Callable[..., Any]:
    """Refuse what is not allowed, whatever the permission mode lets through."""

    async def gate(call: dict[str, Any], _id: str | None, _context: object) -> dict[str, Any]:
        tool = str(call.get("tool_name"))
        if tool == QUESTION_TOOL and tool in allowed:
            return _denied(_ASKED)
        return {} if launch.may_use(tool, allowed) else _denied(f"{tool} is not allowed here")

    return gate


def _denied(reason: str) -> dict[str, Any]:
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": reason,
        }
    }


def _refuse_or_allow(allowed: list[str]) -> Callable[..., Any]:
    """Answer for the person who would be asked for a permission."""

    async def decide(tool: str, _input: dict[str, Any], _context: object) -> Any:
        if launch.may_use(tool, allowed):
            return PermissionResultAllow()
        return PermissionResultDeny(message=f"{tool} is not allowed here")

    return decide
