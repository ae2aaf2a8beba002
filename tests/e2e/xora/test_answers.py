"""What a controller, or what stands in its place, may answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.private_ca import PrivateCa
from tests.support.xora.answers import CONNECTED, Answer, Answers
from tests.support.xora.process import running


@pytest.fixture
def answers() -> Iterator[Answers]:
    with Answers() as found:
        yield found


def account(url: str) -> dict[str, str]:
    return {
        "AIWM_ENABLED": "true",
        "AIWM_BASE_URL": url,
        "AIWM_AGENT_ID": "agent/../1",
        "AIWM_AGENT_SECRET": "an-agents-secret",
    }


WRONG = {
    "html": (Answer(b"<html>It works!</html>", headers={"Content-Type": "text/html"}), "no JSON"),
    "huge": (Answer(b'"' + b"a" * (5 << 20) + b'"'), "larger than"),
    "types": (Answer({**CONNECTED, "tools": "all", "expiresIn": "soon"}), "tools"),
    "slow": (Answer(CONNECTED, wait=1.5), "did not answer within"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_and_local_files_stand_in(
    name: str, answers: Answers, tmp_path: Path
) -> None:
    answer, sentence = WRONG[name]
    answers.answers["connect"] = answer
    (tmp_path / "instruction.md").write_text("Be local.")
    with running(tmp_path, **account(answers.url), AIWM_TIMEOUT_SECONDS="0.5") as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy on local files")
        assert agent.health()[1]["status"] == "fallback"
        assert agent.calls("configure")[0]["instruction"] == "Be local."
        assert sentence in agent.log
        assert "an-agents-secret" not in agent.log
        assert "Traceback" not in agent.log
        answers.answers["connect"] = Answer(CONNECTED)
        agent.until(lambda: agent.connection() == "connected", "connected")
        assert agent.end() == 0


def test_the_guides_own_answer_will_do(answers: Answers, tmp_path: Path) -> None:
    answers.answers["connect"] = Answer(
        {
            "token": "header.payload.signature",
            "instruction": "Be kind.\n\n## Guidelines\n1. Be brief",
            "tools": [{"_id": "1", "name": "Read", "type": "builtin", "status": "active"}],
            "agent": {"id": "1", "name": "My Agent", "orgId": "2"},
            "settings": {
                "claudeModel": "claude-n",
                "discord": {"token": "a-token", "channelIds": "1, 2"},
            },
        }
    )
    answers.answers["heartbeat"] = Answer({"success": True})
    env = {**account(answers.url), "AIWM_HEARTBEAT_SECONDS": "0.2"}
    with running(tmp_path, **env) as agent:
        agent.until(lambda: answers.times("heartbeat") >= 3, "heartbeats")
        assert agent.health()[1]["agent"] == "My Agent"
        mind = agent.calls("configure")[0]
        assert mind["instruction"].endswith("1. Be brief")
        assert (mind["model"]["name"], mind["allowed_tools"]) == ("claude-n", ["Read"])
        assert agent.end() == 0
    assert answers.times("disconnect") == 1
    connect = answers.asked[0]
    assert connect.body == {"secret": "an-agents-secret"}
    ids = [each.headers["X-Correlation-Id"] for each in answers.asked]
    assert len(set(ids)) == len(ids)
    assert ids[0] in agent.log


def test_three_tries_more_then_local_files(answers: Answers, tmp_path: Path) -> None:
    answers.answers["connect"] = Answer(status=502)
    env = {**account(answers.url), "AIWM_BACKOFF_SECONDS": "0.2", "AIWM_RETRY_SECONDS": "30"}
    with running(tmp_path, **env) as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy on local files")
        at = [each.at for each in answers.asked]
        waits = [after - before for before, after in itertools.pairwise(at)]
        # Half as long to half as long again, so that agents don't all come at once; and some more
        # where the machine is busy.
        for wait, meant in zip(waits, (0.2, 0.4, 0.8), strict=True):
            assert meant * 0.5 - 0.01 <= wait < meant * 1.5 + 2
        assert agent.end() == 0


def test_a_secret_that_is_refused_is_not_tried_at_once_again(
    answers: Answers, tmp_path: Path
) -> None:
    answers.answers["connect"] = Answer({"message": "the secret is not the agent's"}, status=401)
    with running(tmp_path, **account(answers.url), AIWM_RETRY_SECONDS="30") as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy on local files")
        assert answers.times("connect") == 1
        assert "the secret is not the agent's" in agent.log
        assert agent.end() == 0


def test_a_token_is_renewed_before_it_ends(answers: Answers, tmp_path: Path) -> None:
    with running(tmp_path, **account(answers.url), AIWM_REFRESH_SECONDS="1") as agent:
        agent.until(lambda: agent.connection() == "connected", "connected")
        server = {"type": "http", "url": "http://127.0.0.1:1/mcp"}
        renewed = {
            "accessToken": "another.payload.signature",
            "mcpServers": {"cbm-tools": {**server, "headers": {"Authorization": "Bearer one"}}},
        }
        answers.answers["connect"] = Answer({**CONNECTED, **renewed})
        agent.until(lambda: agent.metric("aiwm_token_refresh_total") >= 1, "refreshed")
        agent.until(lambda: len(agent.calls("configure")) == 2, "another server of tools")
        renewed["mcpServers"] = {
            "cbm-tools": {**server, "headers": {"Authorization": "Bearer two"}}
        }
        answers.answers["connect"] = Answer({**CONNECTED, **renewed})
        agent.until(lambda: agent.calls("renew"), "its token renewed")
        header = agent.calls("renew")[-1]["mcp_servers"][0]["headers"]["Authorization"]
        assert header["value"] == "Bearer two"
        # A refresh that fails leaves a token that still holds.
        answers.answers["connect"] = Answer(status=500)
        agent.until(lambda: "the token was not renewed" in agent.log, "not renewed")
        assert agent.connection() == "connected"
        assert len(agent.calls("configure")) == 2
        assert agent.end() == 0
    sent = [each for each in answers.asked if each.what == "heartbeat"]
    assert sent[-1].headers["Authorization"] == "Bearer another.payload.signature"


def test_a_token_that_is_always_refused_makes_no_herd(answers: Answers, tmp_path: Path) -> None:
    answers.answers["heartbeat"] = Answer({"message": "expired"}, status=401)
    with running(tmp_path, **account(answers.url), AIWM_HEARTBEAT_SECONDS="1") as agent:
        agent.until(lambda: answers.times("connect") >= 3, "connected again and again")
        at = [each.at for each in answers.asked if each.what == "connect"]
        assert min(after - before for before, after in itertools.pairwise(at)) > 0.8
        assert agent.end() == 0


@pytest.mark.parametrize("beat", [{"nextHeartbeat": "soon"}, []])
def test_a_wrong_answer_to_a_heartbeat_ends_nothing(
    beat: object, answers: Answers, tmp_path: Path
) -> None:
    answers.answers["heartbeat"] = Answer(beat)
    with running(tmp_path, **account(answers.url), AIWM_HEARTBEAT_SECONDS="0.2") as agent:
        agent.until(lambda: answers.times("heartbeat") >= 3, "more heartbeats")
        assert agent.connection() == "unreachable"
        assert agent.metric("aiwm_heartbeat_failure_total") >= 2
        assert agent.end() == 0


def test_https_with_a_ca_of_ones_own(tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    with Answers(ca.server("127.0.0.1")) as answers, running(home, **account(answers.url)) as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy on local files")
        assert "its certificate is not trusted" in agent.log
        assert answers.times("connect") == 0
        # Named in .env, and not in the process's environment.
        (home / ".env").write_text(f"SSL_CERT_FILE={ca.file}\n")
        agent.until(lambda: agent.connection() == "connected", "connected")
        assert agent.end() == 0


def test_a_wrong_setting_ends_it_at_the_start(tmp_path: Path) -> None:
    env = {**account("http://127.0.0.1:1"), "SSL_CERT_FILE": "/nowhere.pem"}
    with running(tmp_path, **env) as agent:
        assert agent.process.wait(20) == 2
        assert "SSL_CERT_FILE can't be used" in agent.log
        assert "Traceback" not in agent.log


def test_a_port_that_is_taken_is_told(answers: Answers, tmp_path: Path) -> None:
    port = answers.url.rpartition(":")[2]
    with running(tmp_path, **account(answers.url), AIWM_HEALTH_PORT=port) as agent:
        assert agent.process.wait(20) == 2
        assert "can't be listened on" in agent.log
        assert json.dumps("Traceback") not in agent.log
