"""From a room to a model and back: the client, the real brain, and the controller's proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.xora.conftest import Managed
from tests.support.models.server import ModelServer, model_server
from tests.support.xora.process import running


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as found:
        yield found


def deployment(managed: Managed, provider: str, name: str, url: str) -> str:
    body = {"provider": provider, "model": name, "apiEndpoint": url, "apiKey": "the-providers-key"}
    made: str = managed.server.call("POST", "/deployments", body)["id"]
    return made


def test_a_question_is_answered_and_the_model_switched(
    managed: Managed, model: ModelServer
) -> None:
    first = deployment(managed, "openai", "gpt-x", f"{model.url}/v1")
    second = deployment(managed, "anthropic", "claude-x", model.url)
    managed.make(deploymentId=first, settings={"discord_token": "a-token"})
    with running(managed.home, TEST_BRAIN="multi-provider") as agent:
        agent.until(lambda: agent.health()[0] == 200, "healthy")
        agent.until((managed.home / "discord.sock").exists, "discord")
        assert "hello" in agent.say("hello")
        sent = model.asked[-1]
        assert sent.headers["authorization"] == "Bearer the-providers-key"
        assert sent.body["model"] == "gpt-x"
        managed.change(deploymentId=second)
        switched = "Switching from openai/gpt-x → anthropic/claude-x"
        agent.until(lambda: switched in [each["event"] for each in agent.lines], "switched")
        assert "again" in agent.say("again")
        sent = model.asked[-1]
        assert sent.headers["x-api-key"] == "the-providers-key"
        assert (sent.body["model"], len(sent.body["messages"])) == ("claude-x", 3)
        assert agent.end() == 0
    assert "the-providers-key" not in agent.log
