"""Variables: the process's own, systemd's credentials, then .env, which may change."""

from __future__ import annotations

from pathlib import Path

import pytest
from xora_agent.environment import Environment
from xora_agent.errors import FileError


def test_the_process_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=file\nB='two words'\nexport C=c # note\nD=\nE='$A ${B}'\nnonsense\n")
    environment = Environment({"A": "process"}, file)
    found = environment.read()
    assert "line 6 of" in environment.trouble
    assert "nonsense" not in environment.trouble
    assert found == {"A": "process", "B": "two words", "C": "c", "D": "", "E": "$A ${B}"}


def test_what_systemd_took_from_the_file_follows_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nB=2\nC=3\n")
    environment = Environment({"A": "1", "B": "other", "C": "3"}, file)
    file.write_text("A=10\nB=20\n")
    assert environment.read() == {"A": "10", "B": "other"}


def test_credentials_of_systemd(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "AIWM_AGENT_SECRET").write_text("of-the-credential")
    (folder / "not.a.variable").write_text("x")
    process = {"CREDENTIALS_DIRECTORY": str(folder)}
    found = Environment(process, tmp_path / "none").read()
    assert found == {**process, "AIWM_AGENT_SECRET": "of-the-credential"}


def test_credentials_that_are_not_there(tmp_path: Path) -> None:
    process = {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}
    with pytest.raises(FileError, match="none can't be read"):
        Environment(process, tmp_path / "none").read()


@pytest.mark.parametrize(
    ("text", "line"), [("A=1\n=== ???\n", 2), ("A='1\nB=2\n", 1), ('{"a": 1}\n', 1)]
)
def test_a_line_that_says_nothing_is_told_and_the_others_count(
    text: str, line: int, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"{text}C=3\n")
    environment = Environment({}, tmp_path / ".env")
    assert environment.read()["C"] == "3"
    assert environment.trouble == f"line {line} of {tmp_path}/.env sets no variable"


def test_a_file_that_cannot_be_read_is_told_and_the_process_has_what_it_had(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n")
    environment = Environment({"A": "1", "B": "2"}, file)
    file.write_bytes(b"A=\xff\n")
    assert environment.read() == {"A": "1", "B": "2"}
    assert "no UTF-8" in environment.trouble
    file.write_text("A=3\n")
    assert environment.read()["A"] == "3"
    assert environment.trouble == ""
    folder = Environment({}, tmp_path)
    assert folder.read() == {}
    assert "can't be read" in folder.trouble
