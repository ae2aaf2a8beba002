"""Variables: the process's own, systemd's credentials, then .env, which may change."""

from __future__ import annotations

from pathlib import Path

from xora_agent.environment import Environment


def test_the_process_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=file\nB='two words'\nexport C=c # note\nD=\nE='$A ${B}'\nnonsense\n")
    found = Environment({"A": "process"}, file).read()
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
