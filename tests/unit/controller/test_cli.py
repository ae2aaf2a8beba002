"""What people see who call `aiwm-controller` wrongly, or at a wrong time."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiwm_controller import claims
from aiwm_controller.cli import main
from aiwm_controller.errors import SetupError
from click.testing import CliRunner, Result


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in a folder of the test's own, and leave the environment as it was."""
    before = {name: value for name, value in os.environ.items() if not name.startswith("AIWM_")}
    os.environ.clear()
    os.environ.update(before)
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


def run(*words: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, words, input=stdin)


def refused(*words: str, stdin: str | bytes = "", code: int = 1) -> str:
    """Give what is said; a traceback would be no SystemExit."""
    done = run(*words, stdin=stdin)
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code == code, done.output
    return done.output


def init(*words: str) -> None:
    done = run("init", "--email", "you@example.com", *words)
    assert done.exit_code == 0, done.output


def test_nobody_else_can_read_the_database(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        init()
        assert run("token", "--email", "you@example.com").exit_code == 0
    finally:
        os.umask(before)
    files = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert files["aiwm-controller.db"] == 0o600
    assert set(files.values()) == {0o600}


WRONG_DATABASES = [
    (
        "sqlite:////proc/nowhere/a.db",
        "/proc/nowhere/a.db can't be used: No such file",
        "--database",
    ),
    ("sqlite:///folder", "folder can't be used: Is a directory", "--database"),
    ("sqlite:///junk.db", "junk.db can't be used: file is not a database", "--database"),
    ("sqlite://", "names no file", "sqlite:///FILE"),
    ("postgresql://me@127.0.0.1:1/x", "does not answer: ", "AIWM_DATABASE_PASSWORD"),
    ("postgresql://me@127.0.0.1:abc/x", "can't be read", "postgresql://USER@HOST/NAME"),
    ("mysql://me@127.0.0.1/x", "not supported", "sqlite:///FILE"),
]


@pytest.mark.parametrize(("url", "what", "hint"), WRONG_DATABASES)
def test_a_wrong_database_is_named(url: str, what: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "junk.db").write_text("hello")
    said = refused("init", "--email", "you@example.com", "--database", url)
    assert what in said
    assert hint in said.partition("do:")[2]


@pytest.mark.parametrize("command", ["serve", "seed", "token", "user add"])
def test_a_database_that_is_not_there_is_not_made(command: str, tmp_path: Path) -> None:
    email = [] if command in ("serve", "seed") else ["--email", "you@example.com"]
    said = refused(*command.split(), *email, "--database", "sqlite:///none.db")
    assert "there is no database none.db" in said
    assert "aiwm-controller init" in said
    assert list(tmp_path.iterdir()) == []


def test_a_schema_of_before_is_told(tmp_path: Path) -> None:
    init()
    with sqlite3.connect(tmp_path / "aiwm-controller.db") as database:
        database.execute("update alembic_version set version_num = '0001'")
    assert "`migrate` for an older one" in refused("serve", "--port", "0")
    with sqlite3.connect(tmp_path / "aiwm-controller.db") as database:
        database.execute("update alembic_version set version_num = '9999'")
    assert run("token", "--email", "you@example.com").exit_code == 0


def test_people_are_told_what_to_do() -> None:
    init()
    again = refused("init", "--email", "You@example.com")
    assert "somebody has it" in again
    assert "aiwm-controller token" in again
    assert "user add" in refused("token", "--email", "nobody@example.com")
    assert "you@example.com" in refused("user", "add", "--email", "nobody")
    other = ("user", "add", "--email", "b@example.com")
    assert "no organization nope" in refused(*other, "--organization", "nope")
    init_other = run("init", "--email", "c@example.com", "--organization", "Other")
    assert init_other.exit_code == 0
    assert "--organization" in refused(*other)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (b"short\n", "has 10 to 72 bytes, and this one has 5"),
        (b"\n", "and this one has 0"),
        (b"", "and this one has 0"),
        (b"x" * 73, "and this one has 73"),
    ],
)
def test_a_password_that_cannot_be_used(password: bytes, said: str) -> None:
    init()
    words = ("user", "password", "--email", "you@example.com", "--password-stdin")
    found = refused(*words, stdin=password, code=2)
    assert said in found
    assert "short" not in found


def test_a_password_that_is_no_text() -> None:
    init()
    words = ("user", "password", "--email", "you@example.com", "--password-stdin")
    done = subprocess.run(
        [sys.executable, "-m", "aiwm_controller", *words],
        input=b"\xff" * 12,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"no UTF-8 text" in done.stderr
    assert b"Traceback" not in done.stderr


WRONG_FILES = [
    (b"\xff\xfe\x00secret", "is no UTF-8 text"),
    (b"AIWM_JWT_SECRET=a\0secret\n", "is no text"),
    (b"# a comment\n\nAIWM_HISTORY=200\nmy secret words\n", "line 4 of a.env sets no variable"),
    (b"AIWM_HISTORY=5\n", "less than 100"),
    (b"AIWM_HISTORY=lots\n", "whole number"),
    (b"AIWM_JWT_SECRET=secret\n", "shorter than 32 bytes"),
    (b"AIWM_SEALING_KEY=secret\n", "shorter than 32 bytes"),
    (b"AIWM_PRIVATE_ENDPOINTS=abc\n", "10.0.0.0/8"),
    (b"AIWM_MIGRATE=perhaps\n", "AIWM_MIGRATE is 'perhaps'"),
    (b"AIWM_SECURE_COOKIES=no\n", "give true or false"),
    (b"AIWM_LOG_LEVEL=loud\n", "debug, info, warning"),
    (b"AIWM_SETTINGS_NAMES=round\n", "both, flat, nested"),
    (b"AIWM_RELEASES=/proc/nowhere\n", "no folder"),
    (b"AIWM_PUBLIC_URL=http://[::1\n", "no http or https address"),
    (b"AIWM_PUBLIC_URL=http://host:port\n", "no http or https address"),
    (b"AIWM_TRUSTED_PROXIES=127.0.0.1,myproxy\n", "AIWM_TRUSTED_PROXIES: 'myproxy'"),
    (b"AIWM_TRUSTED_PROXIES=10.0.0.1/8\n", "AIWM_TRUSTED_PROXIES: 10.0.0.1/8"),
    (b"AIWM_PATH_PREFIX='a b'\n", "can't be a path prefix"),
]


@pytest.mark.parametrize(("text", "said"), WRONG_FILES)
def test_a_wrong_file_of_variables(text: bytes, said: str, tmp_path: Path) -> None:
    init()
    (tmp_path / "a.env").write_bytes(text)
    (tmp_path / "a.env").chmod(0o600)
    found = refused("serve", "--port", "0", "--env-file", "a.env")
    assert said in found
    assert "secret" not in found


def test_options_go_before_the_file(tmp_path: Path) -> None:
    init()
    (tmp_path / "a.env").write_text("AIWM_PATH_PREFIX='not one'\nAIWM_LOG_LEVEL=loud\n")
    (tmp_path / "a.env").chmod(0o640)
    words = ("serve", "--env-file", "a.env", "--log-level", "info")
    assert "'not one'" in refused(*words)
    assert "'or this'" in refused(*words, "--path-prefix", "or this")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (("--host", "203.0.113.7"), "--host"),
        (("--host", "nohost.invalid"), "--host"),
        (("--uds", "/proc/nowhere/socket"), "no socket can be made in /proc/nowhere"),
    ],
)
def test_a_place_where_nothing_can_listen(where: tuple[str, ...], said: str) -> None:
    init()
    assert said in refused("serve", *where)


def test_a_port_that_is_free_is_given() -> None:
    port = claims.check_port("127.0.0.1", 0)
    assert port > 0
    assert claims.check_port("127.0.0.1", port) == port


def test_a_socket_that_is_in_use(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with pytest.raises(SetupError, match="another process listens"):
            claims.check_socket(path)
    claims.check_socket(path)


@pytest.mark.parametrize(
    ("code", "without"),
    [
        ("from aiwm_controller.cli import main", "alembic fastapi sqlalchemy uvicorn"),
        ("import aiwm_controller.setup, aiwm_controller.cli.common", "fastapi httpcore2 mcp"),
    ],
    ids=["help", "other commands"],
)
def test_a_command_loads_only_what_it_needs(code: str, without: str) -> None:
    """Help would take two seconds, and a token would."""
    told = f"{code}; import sys; print(*sorted(sys.modules.keys() & set({without.split()})))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_file_of_variables_that_others_can_read_is_refused(tmp_path: Path) -> None:
    init()
    file = tmp_path / "a.env"
    file.write_text("AIWM_LOG_LEVEL=info\n")
    file.chmod(0o644)
    assert "chmod o= a.env" in refused("seed", "--env-file", "a.env")
    file.chmod(0o640)
    assert run("seed", "--env-file", "a.env").exit_code == 0
    assert run("seed", "--env-file", "/dev/null").exit_code == 0


def test_who_is_not_known_is_asked_for_no_password() -> None:
    init()
    said = refused("user", "password", "--email", "other@example.com")
    assert "there is no user other@example.com" in said
    assert "no password" in refused("user", "password", "--email", "you@example.com", code=2)
