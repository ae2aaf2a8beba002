"""Logs are JSON, stand in a private file, and have no secret in them."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from xora_agent.logs import configure, log
from xora_agent.secret import Secret

SECRET = Secret('a"very\\secret-value')


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    config = structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def test_no_secret_in_any_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "logs" / "agent.log"
    scrubber = configure("debug", file)
    scrubber.hide(SECRET, None, Secret("tiny"))
    log.info("an event", secret=SECRET, text=f"it is {SECRET.value}!", tiny="tiny")
    logging.getLogger("telegram.ext").warning("POST https://x/bot%s/send", SECRET.value)
    try:
        raise ValueError(SECRET.value)
    except ValueError:
        log.exception("an error")
    lines = file.read_text().splitlines()
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == len(lines)
    assert not any("very" in line for line in lines + shown)
    first, second, third = (json.loads(line) for line in lines)
    assert first["secret"] == SECRET.fingerprint
    assert first["text"] == f"it is {SECRET.fingerprint}!"
    assert (first["level"], first["tiny"]) == ("info", "tiny")
    assert SECRET.fingerprint in second["event"]
    assert "Traceback" in third["exception"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_the_file_is_rotated_and_stays_private(tmp_path: Path) -> None:
    file = tmp_path / "agent.log"
    configure("info", file)
    log.debug("not shown")
    for _ in range(11):
        log.info("x" * (1 << 20))
    assert {each.name for each in tmp_path.iterdir()} == {"agent.log", "agent.log.1"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o640}
    assert "not shown" not in (tmp_path / "agent.log.1").read_text()[:1000]


def test_a_full_disk_is_said_once_and_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    scrubber = configure("info", Path("/dev/full"))
    scrubber.hide(SECRET)
    for _ in range(3):
        logging.getLogger("library").error("refused: %s", SECRET.value)
    shown = capsys.readouterr().err
    assert SECRET.value not in shown
    lines = [json.loads(line) for line in shown.splitlines()]
    lost = [line for line in lines if line["event"] == "lines of the log are lost"]
    assert [line["why"] for line in lost] == ["No space left on device"]
    assert len(lines) == 4


def test_a_line_that_can_not_be_written_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", tmp_path / "agent.log").hide(SECRET)
    logging.getLogger("library").error("%d messages", SECRET.value)
    logging.getLogger("library").error("and on")
    shown = capsys.readouterr().err
    assert SECRET.value not in shown
    assert "lines of the log are lost" in shown
    assert "and on" in shown


def test_libraries_do_not_tell_of_each_request(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", None)
    logging.getLogger("httpx").info("HTTP Request: GET https://api.telegram.org/bot1:2/getMe")
    logging.getLogger("httpx").warning("a warning")
    assert "getMe" not in (said := capsys.readouterr().err)
    assert "a warning" in said


def test_a_file_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("no folder")
    configure("info", tmp_path / "logs" / "agent.log")
    log.info("an event")
    said = capsys.readouterr().err
    assert "the log file can't be written" in said
    assert "an event" in said
