"""The client of the controller: what it sends, and what it makes of any answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from xora_agent.controller import Controller
from xora_agent.errors import BadAnswer, ControllerError, Missing, Refused, Unreachable
from xora_agent.own import Account
from xora_agent.secret import Secret
from xora_agent.wire import Connection

from tests.support.xora.answers import CONNECTED, Answer, Answers

TOKEN = Secret("a.b.c")


@pytest.fixture
def answers() -> Iterator[Answers]:
    with Answers() as found:
        yield found


def asked(
    url: str, ask: Callable[[Controller], Awaitable[object]], agent: str = "1", timeout: float = 5
) -> object:
    async def run() -> object:
        account = Account(url, agent, Secret("an-agents-secret"))
        async with Controller(account, timeout) as controller:
            return await ask(controller)

    return asyncio.run(run())


def failed(url: str, timeout: float = 5) -> ControllerError:
    with pytest.raises(ControllerError) as caught:
        asked(url, Controller.connect, timeout=timeout)
    assert "an-agents-secret" not in caught.value.message + caught.value.why + caught.value.hint
    return caught.value


def test_what_is_sent(answers: Answers) -> None:
    found = asked(f"{answers.url}/dev/aiwm", Controller.connect, agent="a/../1 ?")
    assert isinstance(found, Connection)
    assert found.access_token == "header.payload.signature"
    asked(answers.url, lambda each: each.heartbeat(TOKEN, {"status": "online"}))
    asked(answers.url, lambda each: each.config(TOKEN))
    asked(answers.url, lambda each: each.disconnect(TOKEN, "shutdown"))
    connect, *others = answers.asked
    assert connect.body == {"secret": "an-agents-secret"}
    assert "Authorization" not in connect.headers
    assert {each.headers["Authorization"] for each in others} == {"Bearer a.b.c"}
    assert [each.body for each in others] == [{"status": "online"}, None, {"reason": "shutdown"}]
    assert len({each.headers["X-Correlation-Id"] for each in answers.asked}) == 4


def test_a_way_that_was_closed_is_no_fault_of_the_program(answers: Answers) -> None:
    async def beat(controller: Controller) -> object:
        await controller.close()
        return await controller.heartbeat(TOKEN, {"status": "online"})

    with pytest.raises(Unreachable, match="closed"):
        asked(answers.url, beat)


def test_the_guides_own_answer(answers: Answers) -> None:
    answers.answers["connect"] = Answer({"token": "a.b.c", "instruction": "Be kind."})
    found = asked(answers.url, Controller.connect)
    assert isinstance(found, Connection)
    assert (found.access_token, found.prompt, found.expires_in) == ("a.b.c", "Be kind.", 86_400)
    both = {**CONNECTED, "token": "the.other.one", "refreshToken": None, "agent": None}
    answers.answers["connect"] = Answer(both)
    found = asked(answers.url, Controller.connect)
    assert isinstance(found, Connection)
    assert found.access_token == CONNECTED["accessToken"]


WRONG = [
    (Answer(b"<html>", headers={"Content-Type": "text/html"}), "it is text/html, 6 bytes"),
    (Answer(b""), "0 bytes"),
    (Answer(b"[" * 1_000_000), "1000000 bytes"),
    (Answer(b'"' + b"a" * (5 << 20) + b'"'), "larger than"),
    (Answer({**CONNECTED, "tools": "all"}), "tools: "),
    (Answer({**CONNECTED, "tools": [{"name": 5}]}), "tools.0.name: "),
    (Answer({**CONNECTED, "expiresIn": "soon"}), "expiresIn: "),
    (Answer({**CONNECTED, "expiresIn": -1}), "expiresIn: "),
    (Answer({**CONNECTED, "accessToken": None}), "accessToken: "),
    (Answer({**CONNECTED, "accessToken": "a\r\nb: c"}), "accessToken: "),
    (Answer({**CONNECTED, "instruction": 5}), "instruction"),
    (Answer({**CONNECTED, "settings": []}), "settings: "),
    (Answer({**CONNECTED, "mcpServers": {"a": "b"}}), "mcpServers.a: "),
    (Answer({**CONNECTED, "deployment": {"provider": "openai"}}), "deployment.model: "),
    (Answer({**CONNECTED, "configVersion": "new"}), "configVersion: "),
    (Answer([1]), "the body: "),
    (Answer(None), "the body: "),
    (Answer(status=302, headers={"Location": "/other"}), "status 302"),
    (Answer({"message": "short\nand stout"}, status=418), "status 418: short and stout"),
]


@pytest.mark.parametrize(("answer", "why"), WRONG, ids=[why for _, why in WRONG])
def test_an_answer_that_is_none(answer: Answer, why: str, answers: Answers) -> None:
    answers.answers["connect"] = answer
    error = failed(answers.url)
    assert isinstance(error, BadAnswer)
    assert why in error.why
    assert "header.payload.signature" not in error.why
    assert answers.times("other") == 0


@pytest.mark.parametrize(
    "body", [{"nextHeartbeat": "soon"}, {"nextHeartbeat": -1}, {"configVersion": []}, [], None]
)
def test_an_answer_to_a_heartbeat_that_is_none(body: object, answers: Answers) -> None:
    answers.answers["heartbeat"] = Answer(body)
    with pytest.raises(BadAnswer):
        asked(answers.url, lambda each: each.heartbeat(TOKEN, {}))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Refused),
        (403, Refused),
        (404, Missing),
        (429, Unreachable),
        (500, Unreachable),
        (503, Unreachable),
    ],
)
def test_statuses(status: int, kind: type[ControllerError], answers: Answers) -> None:
    answers.answers["connect"] = Answer({"message": "why"}, status, {"Retry-After": "7"})
    error = failed(answers.url)
    assert type(error) is kind
    assert "why" in error.why
    assert getattr(error, "after", 7) == 7


@pytest.mark.parametrize("answer", [Answer(CONNECTED, wait=1), Answer(CONNECTED, drip=0.1)])
def test_an_answer_that_takes_too_long(answer: Answer, answers: Answers) -> None:
    answers.answers["connect"] = answer
    error = failed(answers.url, timeout=0.3)
    assert isinstance(error, Unreachable)
    assert error.message == "the controller did not answer within 0.3 s"


def test_nobody_there() -> None:
    with Answers() as answers:
        url = answers.url
    error = failed(url)
    assert isinstance(error, Unreachable)
    assert "refused" in error.why.lower()


def test_a_proxy_of_the_environment_is_used(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", answers.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    asked("http://controller.invalid", Controller.connect)
    assert answers.asked[0].headers["Host"] == "controller.invalid"
