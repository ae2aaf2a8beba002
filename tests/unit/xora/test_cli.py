"""The commands: help, version, and what --check says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import xora_agent
from xora_agent.claims import claimed
from xora_agent.cli import claude_code, multi_provider

Command = Callable[[Sequence[str]], None]
COMMANDS = {"xora-cc-agent": claude_code, "xora-vercel-agent": multi_provider}


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AIWM_ENABLED", "ANTHROPIC_API_KEY", "CLAUDE_MODEL", "LOG_FILE", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def run(command: Command, *arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        command(arguments)
    assert isinstance(caught.value.code, int | None)
    return caught.value.code or 0


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(COMMANDS[name], "--help") == 0
    said = capsys.readouterr().out
    assert all(each in said for each in ("--env-file FILE", "--check", f"{name} --check", "SIGHUP"))
    assert run(COMMANDS[name], "--version") == 0
    assert capsys.readouterr().out == f"{name} {xora_agent.__version__}\n"


def test_check_says_what_it_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = tmp_path / "agent.env"
    env.write_text(
        "AIWM_ENABLED=true\nAIWM_BASE_URL=https://controller/aiwm/\nAIWM_AGENT_ID=1\n"
        "AIWM_AGENT_SECRET=an-agents-secret\nDISCORD_TOKEN=a-token\nDISCORD_CHANNEL_ID=1,2\n"
    )
    assert run(claude_code, "--check", "--env-file", str(env)) == 0
    said = capsys.readouterr().out
    assert "https://controller/aiwm, agent 1" in said
    assert "discord (2 rooms)" in said
    assert "anthropic/claude-3-5-haiku-latest" in said
    assert "an-agents-secret" not in said
    assert "a-token" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.env"]


def test_check_fails_for_what_would_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mcp-servers.json").write_text('{"files": {"command": "npx"}}')
    assert run(claude_code, "--check") == 1
    assert "only servers over HTTP" in capsys.readouterr().out


WRONG = [
    ({"AIWM_BASE_URL": "http://192.0.2.1/aiwm"}, "is http, where anybody on the way reads"),
    ({"AIWM_BASE_URL": "ftp://host"}, "no http or https address"),
    ({"AIWM_BASE_URL": "https://[::1"}, "no http or https address"),
    ({"AIWM_BASE_URL": "https://host:port"}, "no http or https address"),
    ({"AIWM_BASE_URL": "https://user:pw@host"}, "must have no user, password"),
    ({"AIWM_BASE_URL": ""}, "AIWM_BASE_URL not set"),
    ({"AIWM_AGENT_SECRET": ""}, "AIWM_AGENT_SECRET not set"),
    ({"AIWM_ENABLED": "perhaps"}, "it must be true or false"),
    ({"AIWM_RETRY_SECONDS": "0"}, "more than 0"),
    ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    ({"AIWM_HEALTH_PORT": "99999"}, "no port"),
    ({"CLAUDE_MAX_TURNS": "-1"}, "CLAUDE_MAX_TURNS"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_a_wrong_setting_is_told(
    wrong: dict[str, str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = {
        "AIWM_ENABLED": "true",
        "AIWM_BASE_URL": "https://controller",
        "AIWM_AGENT_ID": "1",
        "AIWM_AGENT_SECRET": "an-agents-secret",
    }
    text = "".join(f"{name}={value}\n" for name, value in {**right, **wrong}.items())
    (tmp_path / ".env").write_text(text)
    assert run(claude_code, "--check") == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "an-agents-secret" not in said


@pytest.mark.parametrize("base", ["http://localhost:1", "http://127.0.0.1/a", "http://[::1]:3"])
def test_http_will_do_on_this_machine(base: str, tmp_path: Path) -> None:
    account = f"AIWM_BASE_URL={base}\nAIWM_AGENT_ID=1\nAIWM_AGENT_SECRET=x\n"
    (tmp_path / ".env").write_text(f"AIWM_ENABLED=true\n{account}")
    assert run(claude_code, "--check") == 0
    (tmp_path / ".env").write_text(
        f"AIWM_ENABLED=true\n{account.replace(base, 'http://host')}AIWM_ALLOW_HTTP=true\n"
    )
    assert run(claude_code, "--check") == 0


def test_a_wrong_setting_is_told_in_a_line_or_three(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("AIWM_ENABLED=true\n")
    assert run(multi_provider, "--check") == 2
    assert capsys.readouterr().err.splitlines() == [
        "xora-vercel-agent: AIWM_ENABLED is true and AIWM_BASE_URL, AIWM_AGENT_ID, "
        "AIWM_AGENT_SECRET not set",
        "  do:  put them into .env, or set AIWM_ENABLED=false",
    ]


def problems(command: Command, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert run(command, "--check") == 1
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix("problem:      ") for line in lines if line.startswith("problem:")]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_is_named_must_be_there(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(COMMANDS[name], "--check", "--env-file", str(tmp_path / "none.env")) == 2
    assert "there is no file" in capsys.readouterr().err


def test_check_says_that_nobody_would_be_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(claude_code, capsys)[0].startswith("there is no key for Claude")
    assert problems(multi_provider, capsys)[0].startswith("no model is set")


def test_check_fails_for_files_that_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
    (tmp_path / ".env").write_bytes(b"A=\xff")
    (tmp_path / "instruction.md").write_bytes(b"\xff")
    (tmp_path / "mcp-servers.json").mkdir()
    found = problems(claude_code, capsys)
    assert len(found) == 3
    assert found[0] == ".env can't be read: it is no UTF-8 text"
    assert "instruction.md can't be read" in found[1]
    assert "mcp-servers.json can't be read" in found[2]


def test_check_takes_a_blank_file_of_mcp_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
    (tmp_path / ".env").write_text("MCP_CONFIG_FILE=\n")
    assert run(claude_code, "--check") == 0
    (tmp_path / ".env").write_text("MCP_CONFIG_FILE=other.json\n")
    capsys.readouterr()
    assert problems(claude_code, capsys) == ["there is no other.json, which MCP_CONFIG_FILE names"]


def test_a_folder_that_is_gone_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(claude_code, "--check") == 2
    assert "is gone" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_be_used_is_told(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "workspace").write_text("a file")
    assert run(COMMANDS[name]) == 2
    assert "that its user can write into" in capsys.readouterr().err


def test_two_agents_do_not_share_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "workspace" / ".state"
    state.mkdir(parents=True)
    with claimed(state):
        assert run(claude_code) == 2
        assert "another agent runs in this folder" in capsys.readouterr().err
    with claimed(state):
        pass
