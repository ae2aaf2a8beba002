"""A token is in no line of a log, wherever a library put it."""

import logging
from collections.abc import Iterator

import pytest
from xora_agent.log_redaction import Redaction
from xora_agent.secret import Secret

SECRET = Secret("12345:a-token-of-a-test")


@pytest.fixture
def redaction() -> Iterator[Redaction]:
    logging.getLogger("library.deep.down")
    redaction = Redaction(SECRET, ("library",), chatty=frozenset({"library.requests"}))
    logging.getLogger("library.requests")
    redaction.apply()
    yield redaction
    for name in ("library", "library.deep.down", "library.requests"):
        logging.getLogger(name).removeFilter(redaction)


@pytest.mark.usefixtures("redaction")
def test_messages_arguments_and_tracebacks(logged: pytest.LogCaptureFixture) -> None:
    deep = logging.getLogger("library.deep.down")
    deep.info("POST https://example.org/bot%s/getMe", SECRET.value)
    try:
        raise ValueError(f"the token {SECRET.value} was refused")
    except ValueError:
        deep.exception("it failed")
    logging.getLogger("library").warning("nothing secret in %s", "this")
    assert SECRET.value not in logged.text
    assert logged.text.count(SECRET.fingerprint) == 2
    assert "ValueError" in logged.text
    assert "nothing secret in this" in logged.text


@pytest.mark.usefixtures("redaction")
def test_chatter_is_left_out_and_warnings_are_not(logged: pytest.LogCaptureFixture) -> None:
    chatty = logging.getLogger("library.requests")
    chatty.info("asked %s", SECRET.value)
    chatty.info("another's request")
    chatty.warning("failed %s", SECRET.value)
    assert "asked" not in logged.text
    assert "another's request" in logged.text
    assert f"failed ({SECRET.fingerprint})" in logged.text


def test_it_is_added_once(redaction: Redaction) -> None:
    Redaction(SECRET, ("library",), chatty=frozenset({"library.requests"})).apply()
    assert logging.getLogger("library").filters.count(redaction) == 1
