"""Claude Code's real command line against stand-ins of Anthropic's API and of a server of tools."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from xora_agent.brain import McpServer, Mind, Model, Question
from xora_agent.claude_code.brain import ClaudeCode
from xora_agent.errors import BrainError
from xora_agent.secret import Secret

from tests.support.models.answers import Asked, BreakOff, Call, Fail, Hang, Say
from tests.support.models.mcp_server import ToolServer
from tests.support.models.server import ModelServer

KEY = "sk-ant-a-key-that-nobody-may-see"
TOKEN = "Bearer the-agent-s-token"
OWN_TOOLS = "Bash Read Write Edit Glob Grep WebSearch WebFetch TodoWrite Task AskUserQuestion"
pytestmark = [
    pytest.mark.filterwarnings("ignore::claude_agent_sdk.CanUseToolShadowedWarning"),
    pytest.mark.usefixtures("alone"),
]
Story = Callable[[ClaudeCode], Awaitable[None]]


def mind(models: ModelServer, *allowed: str, **settings: Any) -> Mind:
    model = Model("anthropic", "claude-3-5-haiku-latest", base_url=models.url, key=Secret(KEY))
    settings.setdefault("model", model)
    return Mind(instruction="You are terse.", allowed_tools=allowed, **settings)


def served(tools: ToolServer, token: str = TOKEN) -> McpServer:
    return McpServer("cbm-tools", tools.url, {"Authorization": Secret(token)})


async def ask(brain: ClaudeCode, text: str, conversation: str = "discord:1") -> list[str]:
    return [piece async for piece in brain.answer(Question(conversation, "ann", text))]


def run(folder: Path, story: Story) -> None:
    """Tell a story about a brain, and close it in the end."""

    async def told() -> None:
        brain = ClaudeCode(folder / "workspace", folder / "state")
        try:
            await asyncio.wait_for(story(brain), 300)
        finally:
            await brain.close()
            await brain.close()

    asyncio.run(told())


def test_a_disk_that_takes_nothing_costs_no_answer(tmp_path: Path, models: ModelServer) -> None:
    models.say("Hello.")
    (tmp_path / "state" / "claude-code" / "sessions.json").mkdir(parents=True)

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        assert "".join(await ask(brain, "hi")) == "Hello."

    run(tmp_path, story)


def tools_offered(asked: Asked) -> set[str]:
    return {tool["name"] for tool in asked.body.get("tools", [])}


def results(models: ModelServer) -> str:
    """Give what the tools gave, as the model was told in the last request."""
    return json.dumps(models.bodies()[-1]["messages"][-1]["content"])


def test_it_answers_in_pieces_and_goes_on_with_the_conversation(
    tmp_path: Path, models: ModelServer
) -> None:
    models.say("All is well here.", "You said hello.")

    async def story(brain: ClaudeCode) -> None:
        assert await brain.configure(mind(models)) is None
        pieces = await ask(brain, "hello")
        assert pieces == ["All ", "is ", "well ", "here."]
        assert "".join(await ask(brain, "what did I say?")) == "You said hello."
        await ask(brain, "and I?", "telegram:2")

    run(tmp_path, story)
    first, second, other = models.bodies()
    assert "You are terse." in str(first["system"])
    assert first["model"] == "claude-3-5-haiku-latest"
    assert "ann: hello" in str(second["messages"])
    assert "ann: hello" not in str(other["messages"])


def test_it_goes_on_after_a_restart_unless_told_not_to(tmp_path: Path, models: ModelServer) -> None:
    async def first(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        await ask(brain, "my name is Ann")

    async def again(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        await ask(brain, "what is my name?")
        await brain.forget("discord:1")
        await ask(brain, "and now?")

    async def without(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, resume=False))
        await ask(brain, "who am I?")

    for story in (first, again, without):
        run(tmp_path, story)
    told = ["my name is Ann" in str(body["messages"]) for body in models.bodies()]
    assert told == [True, True, False, False]
    left = [p for p in tmp_path.rglob("*.jsonl") if "my name is Ann" in p.read_text()]
    assert not left
    for path in (tmp_path / "state").rglob("*"):
        if path.name in {"sessions.json", "instruction.md", "mcp-servers.json"}:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state/claude-code").stat().st_mode) == 0o700


def test_a_session_that_is_gone_begins_anew(tmp_path: Path, models: ModelServer) -> None:
    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        await ask(brain, "hello")
        for transcript in (tmp_path / "state").rglob("*.jsonl"):
            transcript.unlink()
        assert "".join(await ask(brain, "still there?")) == "echo: ann: still there?"
        assert "".join(await ask(brain, "and again")) == "echo: ann: and again"

    run(tmp_path, story)
    assert "ann: still there?" in str(models.bodies()[-1]["messages"])


def test_it_uses_tools_in_its_workspace(tmp_path: Path, models: ModelServer) -> None:
    word = tmp_path / "workspace" / "word.txt"
    word.parent.mkdir()
    word.write_text("plum\n")
    models.say(
        Say("Let me look.", calls=(Call("Read", {"file_path": str(word)}),)),
        Say(calls=(Call("Bash", {"command": "pwd; echo made > made.txt"}),)),
        "The word is plum.",
    )

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, "Read", "Bash"))
        said = "".join(await ask(brain, "which word?"))
        assert said == "Let me look.\n\nThe word is plum."

    run(tmp_path, story)
    assert "plum" in json.dumps(models.bodies()[1]["messages"])
    assert str(word.parent) in results(models)
    assert (word.parent / "made.txt").read_text() == "made\n"


@pytest.mark.parametrize("sandbox", ["1", ""])
def test_what_is_not_allowed_is_neither_offered_nor_done(
    tmp_path: Path,
    models: ModelServer,
    tools: ToolServer,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: str,
) -> None:
    monkeypatch.setenv("IS_SANDBOX", sandbox)  # as root, permissions are bypassed in one alone
    made = tmp_path / "made.txt"
    models.say(
        Say(calls=(Call("Bash", {"command": f"touch {made}"}),)),
        Say(calls=(Call("mcp__cbm-tools__slow", {"word": "x"}),)),
        Say(calls=(Call("mcp__cbm-tools__weather", {"city": "Hue"}),)),
        "done",
    )

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, "Read", "weather", mcp_servers=(served(tools),)))
        assert "".join(await ask(brain, "go")) == "done"

    run(tmp_path, story)
    assert not made.exists()
    assert tools.calls == ["weather Hue"]
    assert "Bash" not in tools_offered(models.asked[0])
    assert "is not allowed here" in json.dumps(models.bodies()[2]["messages"][-1])
    assert "It rains in Hue." in results(models)


def test_no_allowed_tool_means_none(tmp_path: Path, models: ModelServer, tools: ToolServer) -> None:
    models.say(Say(calls=(Call("mcp__cbm-tools__weather", {"city": "Hue"}),)), "done")

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, mcp_servers=(served(tools),)))
        await ask(brain, "go")

    run(tmp_path, story)
    assert tools_offered(models.asked[0]) == set()
    assert not tools.calls
    assert not tools.tokens


def test_all_tools_of_the_documents_are_there(tmp_path: Path, models: ModelServer) -> None:
    own = OWN_TOOLS.split()

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, *own))
        await ask(brain, "go")

    run(tmp_path, story)
    newer = {"Task": "Agent", "TodoWrite": "TaskCreate"}
    expected = {newer.get(name, name) for name in own}
    assert expected <= tools_offered(models.asked[0])


def test_renewed_tokens_are_used_by_the_next_question(
    tmp_path: Path, models: ModelServer, tools: ToolServer
) -> None:
    slow = Say(calls=(Call("mcp__cbm-tools__slow", {"word": "plum"}),))
    models.say(
        slow, "It said plum.", Say(calls=(Call("mcp__cbm-tools__weather", {"city": "Hue"}),))
    )

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, "slow", "weather", mcp_servers=(served(tools),)))
        under_way = asyncio.create_task(ask(brain, "use the slow tool"))
        assert await asyncio.to_thread(tools.slow_tool_entered.wait, 30)
        model = Model("anthropic", "claude-3-5-haiku-latest", models.url, Secret("renewed"))
        await brain.renew((served(tools, "Bearer renewed"),), model)
        tools.slow_tool_goes_on.set()
        assert "".join(await under_way) == "It said plum."
        assert set(tools.tokens) == {TOKEN}
        tools.tokens.clear()
        await ask(brain, "and the weather?")

    run(tmp_path, story)
    assert set(tools.tokens) == {"Bearer renewed"}
    assert models.asked[-1].headers["x-api-key"] == "renewed"
    assert "use the slow tool" in str(models.bodies()[-1]["messages"])


def test_a_question_with_choices_is_sent_as_a_message(tmp_path: Path, models: ModelServer) -> None:
    options = [{"label": "plum", "description": "blue"}, {"label": "pear", "description": "green"}]
    question = {"question": "Which one?", "header": "Fruit", "options": options}
    asks = Call("AskUserQuestion", {"questions": [{**question, "multiSelect": False}]})
    models.say(Say("Hm.", calls=(asks,)), "Tell me.")

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, "AskUserQuestion"))
        said = "".join(await ask(brain, "buy me fruit"))
        assert said == "Hm.\n\nWhich one?\n1. plum: blue\n2. pear: green\n\nTell me."

    run(tmp_path, story)
    assert "The question was sent to the person" in results(models)


def test_what_people_write_is_no_command(tmp_path: Path, models: ModelServer) -> None:
    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        said = [p async for p in brain.answer(Question("discord:1", "", "/clear @/etc/hostname"))]
        assert "".join(said) == "echo: /clear @/etc/hostname"

    run(tmp_path, story)


def test_no_secret_stands_in_argv(
    tmp_path: Path, models: ModelServer, tools: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIWM_AGENT_SECRET", "the-agent-s-secret")
    monkeypatch.setenv("DISCORD_TOKEN", "discord-s-token")
    monkeypatch.setenv("OPENAI_API_KEY", "openai-s-key")
    models.say(Hang(20))
    seen: list[str] = []
    environments: list[str] = []

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, "weather", mcp_servers=(served(tools),)))
        under_way = asyncio.create_task(ask(brain, "hello"))
        while not models.asked:
            await asyncio.sleep(0.05)
        for child in children():
            seen.append((child / "cmdline").read_text())
            environments.append((child / "environ").read_text())
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        assert not children()

    run(tmp_path, story)
    assert "--mcp-config" in "".join(seen)
    told = "".join(seen)
    for secret in (KEY, TOKEN, "the-agent-s-token", "You are terse.", "hello"):
        assert secret not in told
    assert f"ANTHROPIC_API_KEY={KEY}" in "".join(environments)
    for secret in ("the-agent-s-secret", "discord-s-token", "openai-s-key"):
        assert secret not in "".join(environments)


def children() -> list[Path]:
    """Give the processes of Claude Code that this one started."""
    found = []
    for stat_file in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat_file.read_text().rpartition(")")[2].split()
            mine = int(words[1]) == os.getpid() and words[0] != "Z"
            if mine and "claude" in (stat_file.parent / "cmdline").read_text():
                found.append(stat_file.parent)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_closing_ends_what_runs(tmp_path: Path, models: ModelServer) -> None:
    models.say(Hang(60))

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        under_way = asyncio.create_task(ask(brain, "hello"))
        while not models.asked:
            await asyncio.sleep(0.05)
        assert children()
        await brain.close()
        assert not children()
        await asyncio.wait([under_way], timeout=10)
        assert under_way.done()

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fail(401, f"no {KEY}", kind="authentication_error"), "refused the key sha256:"),
        (Fail(429, "slow down", "0", "rate_limit_error"), "takes no more requests"),
        (Fail(529, "busy", kind="overloaded_error"), "is overloaded or down"),
        (Fail(404, "no such model", kind="not_found_error"), "is not there"),
        (Fail(400, f"bad {KEY}", kind="invalid_request_error"), "gave no answer"),
    ],
)
def test_a_fault_of_the_api_becomes_a_sentence(
    tmp_path: Path, models: ModelServer, monkeypatch: pytest.MonkeyPatch, fault: Fail, words: str
) -> None:
    monkeypatch.setenv("CLAUDE_CODE_MAX_RETRIES", "1")
    models.say(*[fault] * 8)

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        with pytest.raises(BrainError, match=words) as failed:
            await ask(brain, "hello")
        told = f"{failed.value} {failed.value.why} {failed.value.hint}"
        assert KEY not in told
        models.script.clear()
        assert "".join(await ask(brain, "and now?")) == "echo: ann: and now?"

    run(tmp_path, story)


def test_a_busy_api_is_asked_again(tmp_path: Path, models: ModelServer) -> None:
    models.say(Fail(429, retry_after="1", kind="rate_limit_error"), Fail(500), "There.")

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        assert "".join(await ask(brain, "hello")) == "There."

    run(tmp_path, story)
    assert models.asked[1].at - models.asked[0].at >= 1


def test_a_stream_that_breaks_off_is_told_once(tmp_path: Path, models: ModelServer) -> None:
    models.say(BreakOff("The first half of"), "The whole answer.")

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        assert "".join(await ask(brain, "hello")).endswith("The whole answer.")

    run(tmp_path, story)


def test_turns_are_limited(tmp_path: Path, models: ModelServer) -> None:
    models.say(*[Say(calls=(Call("Bash", {"command": "true"}),))] * 9)

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models, "Bash", max_turns=3))
        with pytest.raises(BrainError, match="stopped after 3 turns"):
            await ask(brain, "go on for ever")

    run(tmp_path, story)
    assert len(models.bodies()) == 3


def test_a_long_conversation_is_made_shorter(tmp_path: Path, models: ModelServer) -> None:
    def respond(asked: Asked) -> Say:
        if "<summary>" in str(asked.body["messages"][-1]):
            return Say("<analysis>-</analysis><summary>They counted.</summary>")
        turns = sum(m["role"] == "user" for m in asked.body["messages"])
        return Say(f"turn {turns}", input_tokens=30_000 * turns)

    models.respond = respond

    async def story(brain: ClaudeCode) -> None:
        await brain.configure(mind(models))
        for number in range(9):
            await ask(brain, f"this is number {number}")
        # Reported so far: 30,000 tokens a turn. Nothing is asked for before 150,000.
        wanted = [i for i, body in enumerate(models.bodies()) if "<summary>" in str(body)]
        assert wanted
        assert min(wanted) > 4

    run(tmp_path, story)
    last = str(models.bodies()[-1]["messages"])
    assert "They counted." in last
    assert "this is number 0" not in last
    assert "this is number 8" in last
